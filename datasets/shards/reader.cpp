#include "datasets/shards/reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "datasets/shards/row_parser.h"
#include "datasets/shards/split.h"
#include "datasets/tokenizers/utf8.h"

namespace thaw {
namespace {

// A number that a float holds, as it will in a shard.
double number_of(std::string_view cell, const char* what) {
  std::string_view text = trim(cell);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool number = !text.empty() && error == std::errc{} && end == text.data() + text.size() && std::isfinite(value);
  if (!number || std::abs(value) > std::numeric_limits<float>::max())
    throw BadRow("expected a finite number as {}, found '{}'{}", what, cell.substr(0, 40), number ? ": a float reaches to 3.4e38" : "");
  return value;
}

// Assigns valid UTF-8; true where bytes had to be replaced.
bool assign(std::string& to, std::string_view bytes) {
  if (is_utf8(bytes)) {
    to.assign(bytes);
    return false;
  }
  to = repair_utf8(bytes);
  return true;
}

}  // namespace

const char* name_of(LabelKind kind) {
  switch (kind) {
    case LabelKind::one: return "one";
    case LabelKind::several: return "several";
    case LabelKind::number: return "number";
    case LabelKind::none: return "none";
  }
  return "";
}

SourceFormat format_of(const fs::path& path, SourceFormat format) {
  if (format != SourceFormat::by_name) return format;
  if (path == "-") return SourceFormat::tsv;
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (ending == ".tsv" || ending == ".txt" || ending == ".tab") return SourceFormat::tsv;
  if (ending == ".csv") return SourceFormat::csv;
  if (ending == ".jsonl" || ending == ".ndjson" || ending == ".json") return SourceFormat::jsonl;
  throw DataError("{}: cannot tell its format from its name: expected .tsv, .csv or .jsonl; rename it, or say the format", path.string());
}

std::array<std::string, uses> wanted_columns(const ReadOptions& options) {
  const bool labels = options.label_kind != LabelKind::none;
  return {options.text, options.pair, labels ? options.label : "", options.weight, options.group, options.id, options.split};
}

std::string hint_at_speech(const std::vector<std::string>& names) {
  for (const char* audio : {"audio_filepath", "audio", "audio_path", "path", "wav"})
    if (std::find(names.begin(), names.end(), audio) != names.end())
      return fmt::format("; if '{}' names recordings, this is speech: shard it with --audio i16", audio);
  return "";
}

RowReader::RowReader(std::shared_ptr<const SourceText> source, ReadOptions options)
    : source_(std::move(source)), options_(std::move(options)), known_labels_(options_.label_names.begin(), options_.label_names.end()) {
  if (options_.text.empty()) throw DataError("{}: no text column was named", source_->name());
  if (options_.label_kind != LabelKind::none && options_.label.empty()) throw DataError("{}: no label column was named", source_->name());
  const SourceFormat format = format_of(source_->name() == "standard input" ? fs::path("-") : fs::path(source_->name()), options_.format);
  refuse_other_encodings(*source_);
  parser_ = format == SourceFormat::jsonl ? make_jsonl_parser(*source_, options_) : make_delimited_parser(*source_, options_, format);
}

RowReader::~RowReader() = default;
HeaderFound RowReader::header() const { return parser_->header(); }

bool RowReader::next(Row& row) {
  while (true) {
    row.line = 0;
    try {
      if (!read(row)) break;
      ++counts_.rows;
      return true;
    } catch (const BadRow& error) {
      if (!options_.skip_bad_rows) throw DataError("{}:{}: row {}: {}", source_->name(), row.line, counts_.rows + 1, error.what());
      ++counts_.skipped;
    }
  }
  if (counts_.rows == 0)
    throw DataError("{}: expected rows, found {}", source_->name(),
                    counts_.skipped > 0 ? fmt::format("{} bad ones alone", counts_.skipped)
                    : header().there    ? "a header alone"
                                        : "none: the file is empty");
  return false;
}

bool RowReader::read(Row& row) {
  RawRow raw;
  try {
    if (!parser_->next(raw)) return false;
  } catch (const BadRow&) {
    row.line = raw.line;
    throw;
  }
  row.line = raw.line;
  const auto& cells = raw.cells;
  bool repaired = raw.repaired;
  const auto text_of = [&](Use use, std::string& to) {
    if (cells[use]) repaired |= assign(to, *cells[use]);
    else to.clear();
    return !trim(to).empty();
  };
  if (!text_of(use_text, row.text)) throw BadRow("the text is empty: remove the row, or let bad rows be skipped");
  if (options_.pair.empty()) row.pair.reset();
  else if (!text_of(use_pair, row.pair.emplace())) throw BadRow("the second text is empty: remove the row, or let bad rows be skipped");

  row.labels.clear();
  row.target = 0;
  std::unordered_set<std::string> seen;
  const auto add_label = [&](std::string_view label) {
    std::string name;
    repaired |= assign(name, trim(label));
    if (name.empty()) return;
    if (!known_labels_.empty() && !known_labels_.contains(name))
      throw BadRow("unknown label '{}': expected one of {}; correct the row, or add the label to the list (--labels, data.labels)",
                   name.substr(0, 60), listed(options_.label_names));
    if (seen.insert(name).second) row.labels.push_back(std::move(name));
  };
  const auto& label = cells[use_label];
  switch (options_.label_kind) {
    case LabelKind::none: break;
    case LabelKind::number:
      if (!label || trim(*label).empty()) throw BadRow("the label is missing: expected a number in column '{}'", options_.label);
      row.target = number_of(*label, "label");
      break;
    case LabelKind::one:
      if (raw.several)
        for (const std::string_view one : *raw.several) add_label(one);
      else if (label) add_label(*label);
      if (row.labels.empty())
        throw BadRow("the label is missing: fill in column '{}', remove the row, or let bad rows be skipped", options_.label);
      if (row.labels.size() > 1)
        throw BadRow("expected one label, found {}: for several labels a row, say so (multi_label)", row.labels.size());
      break;
    case LabelKind::several:
      if (raw.several) {
        for (const std::string_view one : *raw.several) add_label(one);
      } else if (label) {
        std::string_view rest = *label;
        while (!options_.separator.empty() && rest.find(options_.separator) != std::string_view::npos) {
          const std::size_t at = rest.find(options_.separator);
          add_label(rest.substr(0, at));
          rest.remove_prefix(at + options_.separator.size());
        }
        add_label(rest);
      } else {
        throw BadRow("the label is missing: expected column '{}', which may be empty", options_.label);
      }
      break;
  }
  row.weight = 1;
  if (!options_.weight.empty()) {
    if (!cells[use_weight]) throw BadRow("the weight is missing from column '{}'", options_.weight);
    row.weight = number_of(*cells[use_weight], "weight");
    if (row.weight < 0) throw BadRow("expected a weight of 0 or more, found {}", row.weight);
  }
  if (!text_of(use_group, row.group) && !options_.group.empty()) throw BadRow("the group is missing from column '{}'", options_.group);
  if (!text_of(use_split, row.split) && !options_.split.empty()) throw BadRow("the split is missing from column '{}'", options_.split);
  if (!options_.split.empty() && !is_split_name(row.split))
    throw BadRow("split '{}': expected {}", row.split.substr(0, 80), split_name_words);
  if (!text_of(use_id, row.id)) {
    if (!options_.id.empty()) throw BadRow("the id is missing from column '{}'", options_.id);
    row.id = std::to_string(row.line);
  }
  counts_.repaired += repaired ? 1 : 0;
  return true;
}

}  // namespace thaw
