// The words of a language, for a search that prefers them: a file of one a line, all their forms.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <unordered_set>

#include "datasets/speech/text_rules.h"

namespace thaw {

class WordList {
 public:
  // FileError where there is no such file, DataError where it holds no word.
  explicit WordList(const std::filesystem::path& file);
  std::size_t size() const { return words_.size(); }
  // As it was written, with its punctuation; small letters and capitals are alike, and so are е and ё. Numbers are known, and words of which
  // all parts between hyphens are.
  bool knows(const std::string& word) const;

 private:
  TextRules rules_;
  std::unordered_set<std::string> words_;
};

// Of a list that is read once, and shared by the copies of what is returned.
std::function<bool(const std::string& word)> known_words(const std::filesystem::path& file);

}  // namespace thaw
