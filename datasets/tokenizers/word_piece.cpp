#include "datasets/tokenizers/word_piece.h"

#include <algorithm>
#include <string>

namespace thaw {

WordPiece::WordPiece(const JsonView& model) : vocabulary_(model["vocab"]) {
  const std::string prefix = model["continuing_subword_prefix"].text();
  for (std::size_t i = 0; i < vocabulary_.ids().size(); ++i) {
    const std::string_view token = vocabulary_.texts()[i];
    if (token.size() > prefix.size() && token.starts_with(prefix)) continuing_.insert(token.substr(prefix.size()), vocabulary_.ids()[i]);
  }
  const JsonView unknown = model["unk_token"];
  const auto found = vocabulary_.find(unknown.text());
  if (!found) unknown.fail("a token of the vocabulary");
  unknown_ = *found;
  const JsonView most = model["max_input_chars_per_word"];
  if (most.integer() < 0) most.fail("a number of characters");
  max_characters_ = static_cast<std::size_t>(most.integer());
}

void WordPiece::encode(std::string_view word, std::vector<std::uint32_t>& ids) const {
  if (word.size() > max_characters_) {
    const auto characters = std::count_if(word.begin(), word.end(), [](char byte) { return (byte & 0xC0) != 0x80; });
    if (static_cast<std::size_t>(characters) > max_characters_) return ids.push_back(unknown_);
  }
  const std::size_t before = ids.size();
  const ByteTrie* trie = &vocabulary_.trie();
  while (!word.empty()) {
    const auto match = trie->longest_prefix(word);
    if (!match) {
      ids.resize(before);
      return ids.push_back(unknown_);
    }
    ids.push_back(match->value);
    word.remove_prefix(match->length);
    trie = &continuing_;
  }
}

}  // namespace thaw
