#include "framework/tasks/wer.h"

#include <algorithm>

#include "framework/tasks/text/characters.h"

namespace thaw {

double ErrorCounts::rate() const {
  return reference() == 0 ? static_cast<double>(insertions) : static_cast<double>(errors()) / static_cast<double>(reference());
}

ErrorCounts& ErrorCounts::operator+=(const ErrorCounts& other) {
  hits += other.hits;
  substitutions += other.substitutions;
  deletions += other.deletions;
  insertions += other.insertions;
  return *this;
}

ErrorCounts count_edits(const std::vector<Edit>& edits) {
  ErrorCounts counts;
  for (const Edit edit : edits) {
    switch (edit) {
      case Edit::hit: ++counts.hits; break;
      case Edit::substitution: ++counts.substitutions; break;
      case Edit::deletion: ++counts.deletions; break;
      case Edit::insertion: ++counts.insertions; break;
    }
  }
  return counts;
}

std::vector<std::string_view> words_of(std::string_view text) {
  text = without_outer_space(text);
  std::vector<std::string_view> words;
  const char* word = text.data();
  const auto characters = characters_of(text);
  for (std::size_t i = 0; i < characters.size();) {
    std::size_t end = i;
    while (end < characters.size() && is_space(code_points(characters[end]).front())) ++end;
    if (end - i >= 2 || (end > i && characters[i] == " ")) {
      words.emplace_back(word, static_cast<std::size_t>(characters[i].data() - word));
      word = characters[end].data();  // there is one: the text does not end with white space
    }
    i = std::max(end, i + 1);
  }
  if (!text.empty()) words.emplace_back(word, static_cast<std::size_t>(text.data() + text.size() - word));
  return words;
}

std::vector<std::string_view> spelling_of(std::string_view text) { return characters_of(without_outer_space(text)); }

void ErrorRates::add(std::string_view reference, std::string_view hypothesis) {
  const ErrorCounts of_words = count_edits(align_edits(words_of(reference), words_of(hypothesis)));
  words += of_words;
  characters += count_edits(align_edits(spelling_of(reference), spelling_of(hypothesis)));
  ++utterances;
  right += of_words.errors() == 0 ? 1 : 0;
}

ErrorRates& ErrorRates::operator+=(const ErrorRates& other) {
  words += other.words;
  characters += other.characters;
  utterances += other.utterances;
  right += other.right;
  return *this;
}

ErrorRates error_rates(const std::vector<TranscriptPair>& transcripts) {
  ErrorRates total;
  for (const TranscriptPair& one : transcripts) total.add(one.reference, one.hypothesis);
  return total;
}

std::map<std::string, std::map<std::string, ErrorRates>> error_rates_by_column(const std::vector<TranscriptPair>& transcripts) {
  std::map<std::string, std::map<std::string, ErrorRates>> rates;
  for (const TranscriptPair& one : transcripts) {
    if (one.columns.empty()) continue;
    ErrorRates of_one;
    of_one.add(one.reference, one.hypothesis);
    for (const auto& [column, value] : one.columns) rates[column][value] += of_one;
  }
  return rates;
}

}  // namespace thaw
