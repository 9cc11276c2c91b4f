// A tokenizer with its limit of length, as the sharder takes it.
#pragma once

#include "datasets/shards/options.h"

namespace thaw {

class TokenizerEncoder final : public RowEncoder {
 public:
  TokenizerEncoder(const Tokenizer& tokenizer, std::int64_t max_length) : tokenizer_(tokenizer), max_length_(max_length) {}
  Encoding encode(std::string_view text, std::optional<std::string_view> pair) const override {
    return tokenizer_.encode(text, pair, static_cast<std::size_t>(max_length_));
  }
  const std::string& fingerprint() const override { return tokenizer_.fingerprint(); }
  std::size_t vocabulary_size() const override { return tokenizer_.vocabulary_size(); }

 private:
  const Tokenizer& tokenizer_;
  std::int64_t max_length_;
};

}  // namespace thaw
