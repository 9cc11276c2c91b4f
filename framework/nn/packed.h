// Packed rows: the tokens of many rows one after another, and a few of padding at the very end.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace thaw {

// Passes have a multiple of so many tokens: oneDNN compiles a kernel for every shape of a product, and keeps a quarter MiB.
constexpr std::int64_t token_multiple = 32;
constexpr std::int64_t tokens_of_pass(std::int64_t tokens) { return (tokens + token_multiple - 1) / token_multiple * token_multiple; }

struct Packed {
  at::Tensor values;                     // [tokens, width]; those past the last row are finite, and nobody reads them
  std::vector<std::int64_t> cu_seqlens;  // rows + 1: where each row begins, and the end
  std::int64_t max_length = 0;           // of the longest row
  // In an encoder–decoder, from the decoder's first layer on: the encoder's output, row by row, which cross-attention reads.
  std::shared_ptr<const Packed> memory = nullptr;
};

// Calls work(row, its first token, its tokens) for each row.
template <typename Work>
void for_rows(const std::vector<std::int64_t>& cu_seqlens, const Work& work) {
  for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row) work(row, cu_seqlens[row], cu_seqlens[row + 1] - cu_seqlens[row]);
}

// One use of dropout. A token of [tokens, width] owns ceil(width / 8) Philox counters of `key`, counted from token 0 of the
// step; element j draws 16-bit lane j % 8 of its counter j / 8. So a token's mask depends on its number within the step
// alone, however the step is split into passes and ranks. p = 0: none.
struct RandomSite {
  double p = 0;
  std::uint64_t key = 0;
  std::int64_t first_token = 0;
};

}  // namespace thaw
