// Lines of text to labels.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/train/inputs/text_inputs.h"
#include "launcher/predict.h"

namespace thaw {
namespace {

constexpr std::size_t lines_at_once = 256;

class LinePredictor {
 public:
  LinePredictor(TrainedModel& trained, const AnswerLines& answers, std::string name)
      : trained_(trained), answers_(answers), name_(std::move(name)) {}

  void operator()(std::istream& in) {
    std::string line;
    while (std::getline(in, line)) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (++number_ == 1 && is_header(line)) continue;
      lines_.push_back(line);
      if (lines_.size() == lines_at_once) flush();
    }
    flush();
    if (truncated_ > 0)
      fmt::print(stderr, "thaw: {} rows were longer than {} tokens and were cut there\n", truncated_, trained_.recipe.data.max_length);
  }

 private:
  // A first line that names the recipe's text column says where the text stands; else the first column is the text.
  bool is_header(const std::string& line) {
    std::vector<std::string> cells = split(line);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (cells[i] == trained_.recipe.data.text) text_ = i;
      if (!trained_.recipe.data.text_pair.empty() && cells[i] == trained_.recipe.data.text_pair) pair_ = i;
    }
    if (text_) return true;
    text_ = 0;
    if (!trained_.recipe.data.text_pair.empty()) pair_ = 1;
    return false;
  }

  static std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> cells;
    std::size_t at = 0;
    while (true) {
      const std::size_t tab = line.find('\t', at);
      cells.push_back(line.substr(at, tab - at));
      if (tab == std::string::npos) return cells;
      at = tab + 1;
    }
  }

  void flush() {
    if (lines_.empty()) return;
    std::vector<Encoding> rows;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const std::vector<std::string> cells = split(lines_[i]);
      const std::size_t number = number_ - lines_.size() + i + 1;
      if (cells.size() <= std::max(*text_, pair_.value_or(0)))
        throw DataError("{}:{}: expected text in column {}, found {} columns", name_, number, std::max(*text_, pair_.value_or(0)) + 1,
                        cells.size());
      if (cells[*text_].find_first_not_of(" \t") == std::string::npos) throw DataError("{}:{}: the text is empty", name_, number);
      const std::optional<std::string_view> pair = pair_ ? std::optional<std::string_view>(cells[*pair_]) : std::nullopt;
      rows.push_back(trained_.data.tokenizer->encode(cells[*text_], pair, static_cast<std::size_t>(trained_.recipe.data.max_length)));
      truncated_ += rows.back().truncated ? 1 : 0;
    }
    Context context;
    const std::vector<std::int64_t> cu_seqlens = read_encodings(rows, context);
    const at::Tensor logits = trained_.model->forward(cu_seqlens, context).to(at::kFloat);
    for (std::int64_t row = 0; row < logits.size(0); ++row) fmt::print("{}\n", answers_.of(logits[row]));
    flush_output();
    lines_.clear();
  }

  TrainedModel& trained_;
  const AnswerLines& answers_;
  std::string name_;
  std::optional<std::size_t> text_, pair_;
  std::vector<std::string> lines_;
  std::size_t number_ = 0, truncated_ = 0;
};

}  // namespace

int predict_lines(TrainedModel& trained, const AnswerLines& answers, const PredictOptions& options) {
  if (options.inputs.size() > 1)
    throw UsageError("{}: expected one file of lines, found {}: give them in turn, or all by standard input", options.model,
                     options.inputs.size());
  const std::string name = options.inputs.empty() ? "-" : options.inputs[0];
  std::ifstream file;
  if (name != "-") {
    file.open(name);
    if (!file) throw FileError(ExitCode::input_missing, "{}: cannot open for reading; '-' reads from standard input", name);
  }
  LinePredictor(trained, answers, name)(name == "-" ? std::cin : file);
  return 0;
}

}  // namespace thaw
