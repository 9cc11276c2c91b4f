// The part of a tokenizer.json that differs by kind: its pre_tokenizer, model and decoder together turn normalised text between added
// tokens into ids, and entries back into text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/tokenizers/vocabulary.h"
#include "framework/base/json.h"

namespace thaw {

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  virtual const Vocabulary& vocabulary() const = 0;
  // Appends; stops soon after `enough` ids in all. `text` is valid UTF-8.
  virtual void encode(std::string_view text, std::size_t enough, std::vector<std::uint32_t>& ids) const = 0;
  // The bytes that entries, and added tokens between them, stand for.
  virtual std::string decode(const std::vector<std::string_view>& tokens) const = 0;
};

// `settings`: a whole tokenizer.json, whose model is of the kind. Throws DataError or ModelError.
std::unique_ptr<const TokenModel> make_word_piece_model(const JsonView& settings);
std::unique_ptr<const TokenModel> make_byte_level_model(const JsonView& settings);

// A part of the settings; null where it is left out.
JsonView part_of(const JsonView& settings, std::string_view key);

}  // namespace thaw
