// The WordPiece model: a word becomes the longest vocabulary entries that spell it from the left, those after the first with a
// prefix
// ("##"), or else the one unknown token (Wu et al., "Google's Neural Machine Translation System", 2016; Devlin et al., "BERT",
// 2019).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "datasets/tokenizers/byte_trie.h"
#include "framework/base/json.h"

namespace thaw {

class WordPiece {
 public:
  explicit WordPiece(const JsonView& model);  // ModelError where the vocabulary is not one

  void encode(std::string_view word, std::vector<std::uint32_t>& ids) const;  // appends; `word` is valid UTF-8
  std::optional<std::uint32_t> find(std::string_view token) const { return whole_.find(token); }
  const std::vector<std::uint32_t>& ids() const { return ids_; }  // of all entries, ascending

 private:
  ByteTrie whole_, continuing_;  // all entries; those with the prefix, without it
  std::vector<std::uint32_t> ids_;
  std::uint32_t unknown_ = 0;
  std::size_t max_characters_ = 0;
};

}  // namespace thaw
