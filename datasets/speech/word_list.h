// The words of a language, for a search that prefers them: a file of one a line, all their forms.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "datasets/speech/text_rules.h"

namespace thaw {

class WordList {
 public:
  // FileError where there is no such file, DataError where it holds no word, or is no UTF-8.
  explicit WordList(const std::filesystem::path& file);
  std::size_t size() const { return words_.size(); }
  // As it was written, with its punctuation; small letters and capitals are alike, and so are е and ё. Numbers are known, and words of which
  // all parts between hyphens are.
  bool knows(const std::string& word) const;
  // Whether a word that is known begins so. A character of which some bytes are still to come may stand at the end, as U+FFFD.
  bool begins(const std::string& part) const;

 private:
  std::string spelt(std::string word) const;
  bool has(const std::string& spelt, bool whole) const;    // in the list
  bool known(const std::string& spelt, bool whole) const;  // or by its digits or parts

  TextRules rules_;
  std::vector<std::string> words_;  // sorted
};

// `knows` or, of what is not whole, `begins`, of a list that is read once and shared by the copies of what is returned.
std::function<bool(const std::string& word, bool whole)> known_words(const std::filesystem::path& file);

}  // namespace thaw
