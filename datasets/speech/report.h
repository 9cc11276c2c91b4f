// What became of corpora: rows, hours and how fast, and by reason what was left out, corpus by corpus.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/speech/corpus.h"

namespace thaw {

// How much bad input is too much: "5%" of all utterances, or a number of them; what filters leave out does not count.
struct BadLimit {
  double share = 0.05;
  std::optional<std::uint64_t> number;
  static BadLimit parse(std::string_view text);  // DataError
  std::uint64_t of(std::uint64_t utterances) const;
  std::string text() const;
};

struct CorpusReport {
  std::string path, format;
  std::uint64_t rows = 0;
  double seconds = 0;  // of audio
  std::vector<LeftOut> left_out;
  std::map<std::string, std::uint64_t> counts() const;  // by reason
  std::uint64_t bad() const;                            // but for what filters left out
};

struct SpeechReport {
  std::vector<CorpusReport> corpora;
  double took_s = 0;  // for all of them; 0: not known

  std::uint64_t rows() const;
  double hours() const;
  std::uint64_t bad() const;
  double rows_per_second() const { return took_s > 0 ? static_cast<double>(rows()) / took_s : 0; }

  // DataError with counts and the first files where more is bad than `limit` allows of rows and bad together; or of `all`
  // utterances, when hearing them stopped at `where`.
  void check(const BadLimit& limit) const { check(limit, rows() + bad(), ""); }
  void check(const BadLimit& limit, std::uint64_t all, const std::string& where) const;
  // "\n  a.tsv: silent: 2 (…)" for each corpus and reason.
  std::string reasons(std::size_t most = 3) const;
  // Lines for people: a corpus each, then its reasons, with the first `most` files of each, and where the others are named.
  std::string to_text(std::size_t most = 3) const;
  Json to_json() const;  // everything
};

}  // namespace thaw
