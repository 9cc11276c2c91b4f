// The WordPiece model: a word becomes the longest vocabulary entries that spell it from the left, those after the first with a
// prefix
// ("##"), or else the one unknown token (Wu et al., "Google's Neural Machine Translation System", 2016; Devlin et al., "BERT",
// 2019).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "datasets/tokenizers/byte_trie.h"
#include "datasets/tokenizers/vocabulary.h"
#include "framework/base/json.h"

namespace thaw {

class WordPiece {
 public:
  explicit WordPiece(const JsonView& model);  // ModelError where the vocabulary is not one

  void encode(std::string_view word, std::vector<std::uint32_t>& ids) const;  // appends; `word` is valid UTF-8
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
  ByteTrie continuing_;  // the entries with the prefix, without it
  std::uint32_t unknown_ = 0;
  std::size_t max_characters_ = 0;
};

}  // namespace thaw
