#include "datasets/speech/word_list.h"

#include <memory>
#include <sstream>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/text.h"

namespace thaw {

WordList::WordList(const std::filesystem::path& file) : rules_({"lower", "yo_to_ye", "strip_punctuation:-'"}) {
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);)
    if (std::string word(trim(rules_.apply(line))); !word.empty()) words_.insert(std::move(word));
  if (words_.empty()) throw DataError("{}: expected a word a line, found none", file.string());
}

bool WordList::knows(const std::string& word) const {
  const std::string spelt(trim(rules_.apply(word)));
  if (spelt.empty() || words_.contains(spelt) || spelt.find_first_of("0123456789") != std::string::npos) return true;
  if (spelt.find('-') == std::string::npos) return false;
  std::istringstream parts(spelt);
  for (std::string part; std::getline(parts, part, '-');)
    if (!part.empty() && !words_.contains(part)) return false;
  return true;
}

std::function<bool(const std::string& word)> known_words(const std::filesystem::path& file) {
  return [list = std::make_shared<const WordList>(file)](const std::string& word) { return list->knows(word); };
}

}  // namespace thaw
