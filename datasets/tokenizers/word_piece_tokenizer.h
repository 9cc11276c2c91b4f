// The parts of a tokenizer.json put together: added tokens, normalizer, words, WordPiece, template.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "datasets/tokenizers/added_tokens.h"
#include "datasets/tokenizers/normalizer.h"
#include "datasets/tokenizers/pre_tokenizer.h"
#include "datasets/tokenizers/template.h"
#include "datasets/tokenizers/tokenizer.h"
#include "datasets/tokenizers/word_piece.h"
#include "framework/base/json.h"

namespace thaw {

class WordPieceTokenizer : public Tokenizer {
 public:
  // `settings`: a whole tokenizer.json. Throws DataError or ModelError.
  explicit WordPieceTokenizer(const JsonView& settings);

  Encoding encode(std::string_view text, std::optional<std::string_view> pair, std::size_t max_length) const override;
  std::size_t vocabulary_size() const override;
  std::optional<std::uint32_t> token_id(std::string_view token) const override;

 private:
  // Ids of one text without special tokens; stops soon after `enough` of them.
  std::vector<std::uint32_t> encode_text(std::string_view text, std::size_t enough) const;
  bool knows(std::uint32_t id) const;

  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  WordPiece model_;
  AddedTokens added_tokens_;
  Template template_;
};

}  // namespace thaw
