// The `vocab` of a tokenizer.json's model: its entries and their ids, both ways.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/tokenizers/byte_trie.h"
#include "framework/base/json.h"

namespace thaw {

class Vocabulary {
 public:
  explicit Vocabulary(const JsonView& vocab);  // ModelError where it is not one, or has an id twice

  std::optional<std::uint32_t> find(std::string_view token) const { return trie_.find(token); }
  const std::string* text(std::uint32_t id) const;  // null where there is no such id
  bool has(std::uint32_t id) const { return text(id) != nullptr; }
  const std::vector<std::uint32_t>& ids() const { return ids_; }    // ascending
  const std::vector<std::string>& texts() const { return texts_; }  // in the order of the ids
  const ByteTrie& trie() const { return trie_; }

 private:
  ByteTrie trie_;
  std::vector<std::uint32_t> ids_;
  std::vector<std::string> texts_;
};

}  // namespace thaw
