#include "datasets/shards/split.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "framework/base/error.h"
#include "framework/base/hash.h"
#include "framework/base/random.h"
#include "framework/base/text.h"

namespace thaw {
namespace {

constexpr std::size_t most_splits = 1000;

std::optional<std::int64_t> integer_of(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

}  // namespace

bool is_split_name(std::string_view name) {
  const bool fine = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '.';
  });
  return fine && !name.empty() && name.front() != '.' && name.size() <= 64;
}

void sort_labels(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  if (std::all_of(names.begin(), names.end(), [](const std::string& name) { return integer_of(name).has_value(); }))
    std::stable_sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return *integer_of(a) < *integer_of(b); });
}

SplitFractions SplitFractions::parse(std::string_view text, std::uint64_t seed) {
  SplitFractions fractions{{}, seed};
  double sum = 0;
  for (const std::string& part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    double share = 0;
    const std::string digits = equals == std::string::npos ? "" : part.substr(equals + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), share);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || !(share > 0 && share <= 1))
      throw DataError("split '{}': expected NAME=FRACTION, as in train=0.8,dev=0.1,test=0.1", part);
    const std::string name = part.substr(0, equals);
    if (!is_split_name(name)) throw DataError("split '{}': expected {}", name.substr(0, 80), split_name_words);
    for (const auto& [other, unused] : fractions.parts)
      if (other == name) throw DataError("split '{}' is named twice", name);
    fractions.parts.emplace_back(name, share);
    sum += share;
  }
  if (fractions.parts.empty() || std::abs(sum - 1) > 1e-6) throw DataError("the splits' fractions add up to {}: expected 1", sum);
  return fractions;
}

void complete_id(Row& row, std::size_t source, std::size_t sources, const ReadOptions& options) {
  if (sources > 1 && options.id.empty()) row.id = fmt::format("{}:{}", source, row.line);
}

std::size_t split_of(const SplitFractions& fractions, const Row& row) {
  const std::uint64_t hash = std::stoull(hash_hex(row.group.empty() ? row.id : row.group), nullptr, 16);
  const double where = static_cast<double>(random_key(fractions.seed, hash) >> 11) * 0x1p-53;  // [0, 1)
  double end = 0;
  for (std::size_t i = 0; i + 1 < fractions.parts.size(); ++i)
    if (where < (end += fractions.parts[i].second)) return i;
  return fractions.parts.size() - 1;
}

std::size_t Scan::split(const ShardOptions& options, const Row& row) const {
  if (options.fractions) return split_of(*options.fractions, row);
  return options.read.split.empty() ? 0 : split_ids.at(row.split);
}

std::string Scan::summary() const {
  std::string text;
  for (const std::string& label : labels) text += label + '\0';
  for (std::size_t i = 0; i < splits.size(); ++i) text += fmt::format("{}:{};", splits[i], rows[i]);
  for (const ReadCounts& count : counts) text += fmt::format("{},{},{};", count.rows, count.skipped, count.repaired);
  return hash_hex(text);
}

Scanner::Scanner(const ShardOptions& options, std::size_t sources) : options_(options), sources_(sources) {
  if (options.fractions && !options.read.split.empty()) throw DataError("splits by fractions and by a column: expected one of the two");
  if (options.fractions)
    for (const auto& [name, share] : options.fractions->parts) scan.splits.push_back(name);
  else if (options.read.split.empty()) scan.splits.emplace_back();
  scan.rows.resize(scan.splits.size());
  scan.source_rows.assign(scan.splits.size(), std::vector<std::uint64_t>(sources));
}

void Scanner::add(const Row& row, const std::string& source_name) {
  for (const std::string& label : row.labels) ++label_counts_[label];
  if (!options_.read.split.empty() && !scan.split_ids.contains(row.split)) {
    if (scan.splits.size() == most_splits)
      throw DataError(
          "{}:{}: column '{}' has more than {} different values, each of which would be a split: name the column that says train, dev "
          "or test",
          source_name, row.line, options_.read.split, most_splits);
    if (!is_split_name(row.split))
      throw DataError("{}:{}: row {}: split '{}': expected {}", source_name, row.line, row.id, row.split.substr(0, 80), split_name_words);
    scan.split_ids[row.split] = scan.splits.size();
    scan.splits.push_back(row.split);
    scan.rows.push_back(0);
    scan.source_rows.emplace_back(sources_);
  }
  const std::size_t split = scan.split(options_, row);
  ++scan.rows[split];
  ++scan.source_rows[split][row.source];
}

Scan Scanner::finish() {
  const LabelKind kind = options_.read.label_kind;
  if (kind == LabelKind::one || kind == LabelKind::several) scan.labels = options_.read.label_names;
  if (scan.labels.empty()) {
    for (const auto& [label, count] : label_counts_) scan.labels.push_back(label);
    sort_labels(scan.labels);
  }
  for (std::size_t i = 0; i < scan.splits.size(); ++i)
    if (scan.rows[i] == 0) throw DataError("split '{}' gets no row: there are too few rows or groups for it", scan.splits[i]);
  return std::move(scan);
}

Scan scan_sources(const Sources& sources, const ShardOptions& options) {
  Scanner scanner(options, sources.size());
  Row row;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    RowReader reader(sources[s], options.read);
    const HeaderFound header = reader.header();
    if (!header.by_position.empty()) scanner.scan.notes.push_back(sources[s]->name() + ": " + header.by_position);
    std::string first_label;  // of a file that is taken to have no header
    while (reader.next(row)) {
      row.source = s;
      complete_id(row, s, sources.size(), options.read);
      if (header.assumed_absent && reader.counts().rows == 1 && row.labels.size() == 1) first_label = row.labels[0];
      scanner.add(row, sources[s]->name());
    }
    scanner.scan.counts.push_back(reader.counts());
    // A header with other names than the wanted ones would be learnt as a class of its own.
    const auto& counts = scanner.label_counts();
    if (!first_label.empty() && reader.counts().rows >= 20 && counts.at(first_label) == 1 &&
        std::count_if(counts.begin(), counts.end(), [](const auto& entry) { return entry.second == 1; }) == 1)
      throw DataError(
          "{}:1: the label '{}' stands on the first line alone: if that line is a header, name its columns (text, label); "
          "if it is a row, say that the file has no header (--header no, data.header: no)",
          sources[s]->name(), first_label);
  }
  return scanner.finish();
}

}  // namespace thaw
