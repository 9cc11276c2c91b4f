#include "datasets/tokenizers/word_piece.h"

#include <algorithm>
#include <string>

#include "framework/base/error.h"

namespace thaw {

WordPiece::WordPiece(const JsonView& model) {
  const JsonView vocab = model["vocab"];
  if (!vocab.raw().is_object()) vocab.fail("an object of tokens and their ids");
  const std::string prefix = model["continuing_subword_prefix"].text();
  ids_.reserve(vocab.size());
  for (const auto& [token, value] : vocab.raw().items()) {
    // No view for each entry: its path would cost more than all else here.
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT32_MAX)) {
      JsonView(value, vocab.where() + ": " + token).fail("an id from 0 to 2147483647");
    }
    const auto id = value.get<std::uint32_t>();
    ids_.push_back(id);
    whole_.insert(token, id);
    if (token.size() > prefix.size() && token.starts_with(prefix)) continuing_.insert(std::string_view(token).substr(prefix.size()), id);
  }
  std::sort(ids_.begin(), ids_.end());
  if (const auto twice = std::adjacent_find(ids_.begin(), ids_.end()); twice != ids_.end()) {
    throw ModelError("{}: expected each id once, found {} twice: the file is damaged, fetch it again", vocab.where(), *twice);
  }
  const JsonView unknown = model["unk_token"];
  const auto found = find(unknown.text());
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
  const ByteTrie* trie = &whole_;
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
