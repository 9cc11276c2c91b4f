// Rows of text: token ids, types and positions, without padding.
#pragma once

#include "datasets/tokenizers/tokenizer.h"
#include "framework/train/inputs/inputs.h"

namespace thaw {

class TextInputs final : public Inputs {
 public:
  std::vector<std::int64_t> read(const std::vector<RowOfSet>& rows, Context& context) const override;
  std::uint32_t length(const ShardSet& shards, std::uint64_t row) const override { return shards.lengths()[row]; }
  std::uint32_t size(const ShardSet& shards, std::uint64_t row) const override { return shards.lengths()[row]; }
  std::int64_t evaluation_length() const override { return 4096; }
  bool hears() const override { return false; }
};

// The same of rows that were tokenised just now.
std::vector<std::int64_t> read_encodings(const std::vector<Encoding>& rows, Context& context);

// The positions of packed rows, each from 0: int64 [tokens].
at::Tensor positions_of(const std::vector<std::int64_t>& cu_seqlens);

}  // namespace thaw
