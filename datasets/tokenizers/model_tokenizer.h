// The parts of a tokenizer.json put together: added tokens, normalizer, the model with what belongs to it, template.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/tokenizers/added_tokens.h"
#include "datasets/tokenizers/normalizer.h"
#include "datasets/tokenizers/template.h"
#include "datasets/tokenizers/token_model.h"
#include "datasets/tokenizers/tokenizer.h"
#include "framework/base/json.h"

namespace thaw {

class ModelTokenizer : public Tokenizer {
 public:
  // `settings`: a whole tokenizer.json. Throws DataError or ModelError.
  ModelTokenizer(const JsonView& settings, std::unique_ptr<const TokenModel> model);

  Encoding encode(std::string_view text, std::optional<std::string_view> pair, std::size_t max_length) const override;
  std::vector<std::uint32_t> encode_plain(std::string_view text) const override;
  std::string decode_bytes(std::span<const std::uint32_t> ids, bool skip_special_tokens) const override;
  std::size_t vocabulary_size() const override;
  std::optional<std::uint32_t> token_id(std::string_view token) const override;

 private:
  // Ids of one text without special tokens; stops soon after `enough` of them.
  std::vector<std::uint32_t> encode_text(std::string_view text, std::size_t enough) const;
  bool knows(std::uint32_t id) const;

  std::unique_ptr<const TokenModel> model_;
  Normalizer normalizer_;
  AddedTokens added_tokens_;
  Template template_;
};

}  // namespace thaw
