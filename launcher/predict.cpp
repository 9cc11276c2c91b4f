// thaw predict: a label and its probability for every line, in the order of the input.
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/train/inputs/text_inputs.h"
#include "launcher/commands.h"
#include "launcher/ranks.h"
#include "launcher/trained_model.h"

namespace thaw {
namespace {

constexpr std::size_t lines_at_once = 256;

struct PredictOptions {
  std::string model, file = "-";
  bool json = false;
};

std::string text_of(const TrainedModel& trained, const at::Tensor& logits, bool json) {
  const Problem problem = trained.data.problem;
  const std::vector<std::string>& labels = trained.data.labels;
  if (problem == Problem::regression) {
    const double value = logits[0].item<double>();
    return json ? Json{{"value", value}}.dump() : fmt::format("{:.6g}", value);
  }
  const at::Tensor probabilities = problem == Problem::multi_label ? at::sigmoid(logits) : at::softmax(logits, 0);
  const float* const p = probabilities.data_ptr<float>();
  if (json) {
    Json line;
    for (std::size_t i = 0; i < labels.size(); ++i) line["probabilities"][labels[i]] = p[i];
    line["label"] =
        problem == Problem::multi_label ? Json::array() : Json(labels[static_cast<std::size_t>(logits.argmax().item<std::int64_t>())]);
    if (problem == Problem::multi_label)
      for (std::size_t i = 0; i < labels.size(); ++i)
        if (p[i] > 0.5F) line["label"].push_back(labels[i]);
    return line.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  if (problem == Problem::multi_label) {
    std::string names, values;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (p[i] <= 0.5F) continue;
      names += (names.empty() ? "" : ",") + labels[i];
      values += fmt::format("{}{:.6f}", values.empty() ? "" : ",", p[i]);
    }
    return names + "\t" + values;
  }
  const auto best = static_cast<std::size_t>(logits.argmax().item<std::int64_t>());
  return fmt::format("{}\t{:.6f}", labels[best], p[best]);
}

class Predictor {
 public:
  explicit Predictor(const PredictOptions& options) : options_(options), trained_(open_trained_model(options.model)) {}

  int run() {
    std::ifstream file;
    if (options_.file != "-") {
      file.open(options_.file);
      if (!file) throw FileError(ExitCode::input_missing, "{}: cannot open for reading; '-' reads from standard input", options_.file);
    }
    std::istream& in = options_.file == "-" ? std::cin : file;
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
    return 0;
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
    const at::NoGradGuard no_grad;
    std::vector<Encoding> rows;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const std::vector<std::string> cells = split(lines_[i]);
      const std::size_t number = number_ - lines_.size() + i + 1;
      if (cells.size() <= std::max(*text_, pair_.value_or(0)))
        throw DataError("{}:{}: expected text in column {}, found {} columns", options_.file, number,
                        std::max(*text_, pair_.value_or(0)) + 1, cells.size());
      if (cells[*text_].find_first_not_of(" \t") == std::string::npos) throw DataError("{}:{}: the text is empty", options_.file, number);
      const std::optional<std::string_view> pair = pair_ ? std::optional<std::string_view>(cells[*pair_]) : std::nullopt;
      rows.push_back(trained_.data.tokenizer->encode(cells[*text_], pair, static_cast<std::size_t>(trained_.recipe.data.max_length)));
      truncated_ += rows.back().truncated ? 1 : 0;
    }
    Context context;
    const std::vector<std::int64_t> cu_seqlens = read_encodings(rows, context);
    const at::Tensor logits = trained_.model->forward(cu_seqlens, context).to(at::kFloat);
    for (std::int64_t row = 0; row < logits.size(0); ++row) fmt::print("{}\n", text_of(trained_, logits[row], options_.json));
    if (std::fflush(stdout) != 0) throw FileError(ExitCode::cannot_write, "standard output: cannot write");
    lines_.clear();
  }

  PredictOptions options_;
  TrainedModel trained_;
  std::optional<std::size_t> text_, pair_;
  std::vector<std::string> lines_;
  std::size_t number_ = 0, truncated_ = 0;
};

}  // namespace

void add_predict(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("predict", "Label every line of a TSV file, in its order");
  auto options = std::make_shared<PredictOptions>();
  command->add_option("model", options->model, "A run directory, an exported model, or a hub name")->required();
  command->add_option("file", options->file, "TSV with the text in its first column or under the recipe's header; - is standard input")
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object a line, with every label's probability");
  command->footer("Example:  echo 'A moving, funny film.' | thaw predict runs/reviews-42\nPrints LABEL<TAB>PROBABILITY for each line.");
  command->callback([=, &exit_code] { exit_code = Predictor(*options).run(); });
}

}  // namespace thaw
