#include "datasets/speech/word_list.h"

#include <algorithm>
#include <memory>
#include <sstream>
#include <string_view>

#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/text.h"

namespace thaw {

namespace {

constexpr std::string_view unfinished_character = "\uFFFD", byte_order_mark = "\uFEFF", apostrophe = "\u2019";
constexpr const char* at_edges = "'-";  // of a word: quotes and dashes

std::string without_end(std::string spelt) {
  spelt.resize(spelt.find_last_not_of(at_edges) + 1);
  return spelt;
}

}  // namespace

WordList::WordList(const std::filesystem::path& file) : rules_({"lower", "yo_to_ye", "strip_punctuation:-'"}) {
  std::istringstream lines(read_file(file));
  std::uint64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    if (++number == 1 && line.starts_with(byte_order_mark)) line.erase(0, byte_order_mark.size());
    if (!is_utf8(line)) throw DataError("{}:{}: expected UTF-8", file.string(), number);
    if (std::string word = without_end(spelt(line)); !word.empty()) words_.push_back(std::move(word));
  }
  if (words_.empty()) throw DataError("{}: expected a word a line, found none", file.string());
  std::sort(words_.begin(), words_.end());
  words_.erase(std::unique(words_.begin(), words_.end()), words_.end());
}

// Without its end's quotes and dashes, which may be a part's middle.
std::string WordList::spelt(std::string word) const {
  for (std::size_t at = word.find(apostrophe); at != std::string::npos; at = word.find(apostrophe, at))
    word.replace(at, apostrophe.size(), "'");
  const std::string ruled = rules_.apply(word);
  const std::string_view trimmed = trim(ruled);
  return std::string(trimmed.substr(std::min(trimmed.size(), trimmed.find_first_not_of(at_edges))));
}

bool WordList::has(const std::string& spelt, bool whole) const {
  const auto at = std::lower_bound(words_.begin(), words_.end(), spelt);
  return at != words_.end() && (whole ? *at == spelt : at->starts_with(spelt));
}

bool WordList::known(const std::string& spelt, bool whole) const {
  if (spelt.empty() || has(spelt, whole) || spelt.find_first_of("0123456789") != std::string::npos) return true;
  std::size_t begin = 0;
  for (std::size_t end = spelt.find('-'); end != std::string::npos; end = spelt.find('-', begin)) {
    if (end > begin && !has(spelt.substr(begin, end - begin), true)) return false;
    begin = end + 1;
  }
  return begin > 0 && (begin == spelt.size() || has(spelt.substr(begin), whole));
}

bool WordList::knows(const std::string& word) const { return known(without_end(spelt(word)), true); }

bool WordList::begins(const std::string& part) const {
  std::string there = spelt(part);
  if (there.ends_with(unfinished_character)) there.resize(there.size() - unfinished_character.size());
  return known(there, false) || known(without_end(there), true);  // a quote may close
}

std::function<bool(const std::string& word, bool whole)> known_words(const std::filesystem::path& file) {
  return [list = std::make_shared<const WordList>(file)](const std::string& word, bool whole) {
    return whole ? list->knows(word) : list->begins(word);
  };
}

}  // namespace thaw
