#include "framework/train/objectives/heard.h"

#include <fmt/format.h>

#include <cstring>

#include "framework/tasks/wer_report.h"
#include "framework/train/evaluator.h"

namespace thaw {

std::optional<Metrics> Recognition::measure(const DataSet& set, const Evaluation& evaluation) const {
  const Hear heard_in = hear(evaluation);
  const std::vector<std::uint64_t> rows = evaluated_rows(set, options_.max_rows);
  const auto found = find_of_rows(set, rows, evaluation, [&](const std::vector<RowOfSet>& batch) {
    std::vector<std::string> bytes;
    for (const HeardRow& row : heard_in(batch))
      bytes.push_back(std::string(reinterpret_cast<const char*>(&row.loss), sizeof row.loss) + row.text);
    return bytes;
  });
  if (!found) return {};

  const auto spelled = [&](const std::string& text) { return options_.spelling ? options_.spelling(text) : text; };
  std::vector<TranscriptPair> pairs;
  double loss = 0, divisor = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    double of_row = 0;
    std::memcpy(&of_row, (*found)[i].data(), sizeof of_row);
    loss += of_row;
    divisor += share(set, rows[i]);
    const ShardSet& shards = *set.shards;
    TranscriptPair& pair = pairs.emplace_back(
        TranscriptPair{shards.id(rows[i]), spelled(shards.text(rows[i])), spelled((*found)[i].substr(sizeof of_row)), {}});
    if (const std::string speaker = shards.group(rows[i]); !speaker.empty()) pair.columns["speaker"] = speaker;
    if (const std::string language = shards.language(rows[i]); !language.empty()) pair.columns["language"] = language;
  }
  const ErrorRates all = error_rates(pairs);
  Metrics metrics{{"loss", loss / (divisor > 0 ? divisor : 1)}, {"wer", all.words.rate()}, {"cer", all.characters.rate()}};
  for (const auto& [column, values] : error_rates_by_column(pairs)) {
    constexpr std::size_t most = 20;
    if (values.size() < 2 || values.size() > most) continue;
    for (const auto& [value, rates] : values) metrics.emplace_back(fmt::format("wer/{}/{}", column, value), rates.words.rate());
    for (const auto& [value, rates] : values) metrics.emplace_back(fmt::format("cer/{}/{}", column, value), rates.characters.rate());
  }
  if (!evaluation.run_directory.empty()) write_error_report(evaluation.run_directory, set.name, pairs);
  return metrics;
}

}  // namespace thaw
