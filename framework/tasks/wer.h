// Word and character error rates, equal to jiwer's process_words and process_characters with their default transforms:
// (substitutions + deletions + insertions) / items of the reference, summed over a corpus, and over the rows of each speaker,
// language or whatever else a row says of itself. Text is compared as it is given: see text_normalizer.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tasks/edit_alignment.h"

namespace thaw {

struct ErrorCounts {
  std::int64_t hits = 0, substitutions = 0, deletions = 0, insertions = 0;

  std::int64_t reference() const { return hits + substitutions + deletions; }
  std::int64_t hypothesis() const { return hits + substitutions + insertions; }
  std::int64_t errors() const { return substitutions + deletions + insertions; }
  double rate() const;  // may exceed 1; where the reference has no item at all: the number of insertions, as jiwer says
  ErrorCounts& operator+=(const ErrorCounts& other);
  bool operator==(const ErrorCounts&) const = default;
};

ErrorCounts count_edits(const std::vector<Edit>& edits);

// jiwer's words: the parts between blanks. Runs of two and more white-space characters count as a blank, a single tab or
// no-break space does not.
std::vector<std::string_view> words_of(std::string_view text);

// The characters, blanks too, without white space at both ends.
std::vector<std::string_view> spelling_of(std::string_view text);

// What was said, what was understood, and what the row says of itself.
struct TranscriptPair {
  std::string id, reference, hypothesis;            // UTF-8
  std::map<std::string, std::string> columns = {};  // {"speaker", "george"}, {"language", "en"}, …
};

struct ErrorRates {
  ErrorCounts words, characters;
  std::int64_t utterances = 0, right = 0;  // `right`: those without an error in their words

  void add(std::string_view reference, std::string_view hypothesis);
  ErrorRates& operator+=(const ErrorRates& other);
};

ErrorRates error_rates(const std::vector<TranscriptPair>& transcripts);

// By the values of each column: rates["speaker"]["george"].
std::map<std::string, std::map<std::string, ErrorRates>> error_rates_by_column(const std::vector<TranscriptPair>& transcripts);

}  // namespace thaw
