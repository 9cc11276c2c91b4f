// The `added_tokens` of tokenizer.json: strings that are tokens wherever they stand in a text, found before words are split.
// Those that are not `normalized` are looked for in the raw text, the others in the normalised text between them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/tokenizers/byte_trie.h"
#include "datasets/tokenizers/normalizer.h"
#include "datasets/tokenizers/vocabulary.h"
#include "framework/base/json.h"

namespace thaw {

class AddedTokens {
 public:
  struct Piece {
    std::string_view text;
    std::optional<std::uint32_t> id;  // of the token that stands here; nothing for text between tokens
  };
  enum Pass { raw, normalized };

  // `settings`: the list, or null. A token gets the id of the equal vocabulary entry, or the next free one behind the vocabulary.
  AddedTokens(const JsonView& settings, const Vocabulary& vocabulary, const Normalizer& normalizer);

  bool none(Pass pass) const { return finders_[pass].tokens.empty(); }
  // Cuts `text` at the tokens of one pass, leftmost and longest first; replaces `pieces`.
  void split(Pass pass, std::string_view text, std::vector<Piece>& pieces) const;
  std::optional<std::uint32_t> find(std::string_view content) const { return ids_.find(content); }
  struct Content {
    std::string text;
    bool special;
  };
  const Content* content(std::uint32_t id) const;                         // null where no added token has this id
  const std::vector<std::uint32_t>& new_ids() const { return new_ids_; }  // those behind the vocabulary, ascending

 private:
  struct Token {
    std::string content;
    std::uint32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    bool operator==(const Token&) const = default;
  };
  struct Finder {
    std::vector<Token> tokens;
    ByteTrie patterns;               // values are indices into `tokens`
    std::array<bool, 256> starts{};  // the first bytes of all patterns
    void add(const Token& token, std::string_view pattern);
  };
  Finder finders_[2];
  ByteTrie ids_;
  std::map<std::uint32_t, Content> contents_;
  std::vector<std::uint32_t> new_ids_;
};

}  // namespace thaw
