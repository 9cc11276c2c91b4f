#include "datasets/speech/report.h"

#include <charconv>
#include <cmath>

#include "framework/base/error.h"

namespace thaw {
namespace {

std::string described(const LeftOut& left) {
  return left.where + (left.id.empty() ? "" : " " + left.id) + (left.detail.empty() ? "" : ": " + left.detail);
}

// "silent: 3 (a.tsv:4 x1: …; … and 1 more)" for each reason.
std::vector<std::string> by_reason(const CorpusReport& corpus, std::size_t most) {
  std::vector<std::string> lines;
  for (const auto& [reason, count] : corpus.counts()) {
    std::string line = fmt::format("{}: {}", reason, count);
    std::size_t shown = 0;
    for (const LeftOut& left : corpus.left_out)
      if (left.reason == reason && shown < most) line += (shown++ == 0 ? " (" : "; ") + described(left);
    if (shown > 0) line += count > shown ? fmt::format("; and {} more)", count - shown) : ")";
    if (reason == name_of(Fault::unspellable)) line += "; text rules may change such texts (--text-rule; data.audio.text_rules)";
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

BadLimit BadLimit::parse(std::string_view text) {
  const bool percent = text.ends_with('%');
  const std::string_view digits = percent ? text.substr(0, text.size() - 1) : text;
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool number = !digits.empty() && error == std::errc{} && end == digits.data() + digits.size() && value >= 0;
  if (!number || (percent ? value > 100 : value != std::floor(value) || value > 1e15))
    throw DataError("a limit of bad input '{}': expected a share, as 5%, or a number, as 100", text);
  BadLimit limit;
  if (percent) limit.share = value / 100;
  else limit.number = static_cast<std::uint64_t>(value);
  return limit;
}

std::uint64_t BadLimit::of(std::uint64_t utterances) const {
  return number ? *number : static_cast<std::uint64_t>(std::floor(share * static_cast<double>(utterances) + 1e-9));
}

std::string BadLimit::text() const { return number ? std::to_string(*number) : fmt::format("{}%", 100 * share); }

std::map<std::string, std::uint64_t> CorpusReport::counts() const {
  std::map<std::string, std::uint64_t> counts;
  for (const LeftOut& left : left_out) ++counts[left.reason];
  return counts;
}

std::uint64_t CorpusReport::bad() const {
  std::uint64_t bad = 0;
  for (const LeftOut& left : left_out) bad += is_filter(left.reason) ? 0 : 1;
  return bad;
}

std::uint64_t SpeechReport::rows() const {
  std::uint64_t rows = 0;
  for (const CorpusReport& corpus : corpora) rows += corpus.rows;
  return rows;
}

double SpeechReport::hours() const {
  double seconds = 0;
  for (const CorpusReport& corpus : corpora) seconds += corpus.seconds;
  return seconds / 3600;
}

std::uint64_t SpeechReport::bad() const {
  std::uint64_t bad = 0;
  for (const CorpusReport& corpus : corpora) bad += corpus.bad();
  return bad;
}

std::string SpeechReport::reasons(std::size_t most) const {
  std::string lines;
  for (const CorpusReport& corpus : corpora)
    for (const std::string& line : by_reason(corpus, most)) lines += fmt::format("\n  {}: {}", corpus.path, line);
  return lines;
}

void SpeechReport::check(const BadLimit& limit, std::uint64_t all, const std::string& where) const {
  const std::uint64_t allowed = limit.of(all);
  if (bad() <= allowed) return;
  throw DataError(
      "{} of {} utterances are bad input, expected at most {} ({}): correct them, or raise the limit (--bad-limit; "
      "data.audio.bad_limit){}:{}",
      bad(), all, allowed, limit.text(), where.empty() ? "" : fmt::format("; it stopped at {}, where this was known", where), reasons());
}

std::string SpeechReport::to_text(std::size_t most) const {
  std::string text;
  bool all_shown = true;
  for (const CorpusReport& corpus : corpora) {
    text += fmt::format("{} ({}): {} rows, {:.2f} h\n", corpus.path, corpus.format, corpus.rows, corpus.seconds / 3600);
    for (const std::string& line : by_reason(corpus, most)) text += "  left out, " + line + "\n";
    for (const auto& [reason, count] : corpus.counts()) all_shown = all_shown && count <= most;
  }
  if (!all_shown) text += "index.json of the shards lists all that were left out\n";
  return text + fmt::format("{} rows, {:.2f} h of speech{}\n", rows(), hours(),
                            took_s > 0 ? fmt::format(", {:.1f} rows/s", rows_per_second()) : "");
}

Json SpeechReport::to_json() const {
  Json json{{"rows", rows()},
            {"hours", hours()},
            {"rows_per_second", took_s > 0 ? Json(rows_per_second()) : Json(nullptr)},
            {"bad", bad()},
            {"corpora", Json::array()}};
  for (const CorpusReport& corpus : corpora) {
    Json left = Json::array();
    for (const LeftOut& one : corpus.left_out) left.push_back(Json(one.to_json()));
    json["corpora"].push_back({{"path", corpus.path},
                               {"format", corpus.format},
                               {"rows", corpus.rows},
                               {"hours", corpus.seconds / 3600},
                               {"counts", corpus.counts()},
                               {"left_out", left}});
  }
  return json;
}

}  // namespace thaw
