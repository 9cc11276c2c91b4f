// Keys and values of one sequence, kept for attention of what comes later: all layers and heads, fp32 or bf16, on the CPU.
// A copy shares the memory; clone() does not.
#pragma once

#include <ATen/ATen.h>

namespace thaw {

class KeyValueCache {
 public:
  KeyValueCache() = default;
  KeyValueCache(std::int64_t layers, std::int64_t heads, std::int64_t head_dim, std::int64_t tokens, at::ScalarType type);

  std::int64_t tokens() const { return values_.size(2); }  // there is room for
  KeyValueCache clone() const;
  void grow(std::int64_t tokens);  // keeps what is there

  // Tokens first, first + 1, … of one layer. k, v: [tokens, heads · head_dim], fp32 or of the cache's type; rows any distance apart.
  void write(std::int64_t layer, std::int64_t first, const at::Tensor& k, const at::Tensor& v);

  // softmax(q·kᵀ·scale)·v over the first `length` tokens, of one head. q, out: [head_dim]; probabilities: room for
  // cpu::padded(length), and there they are afterwards.
  void attend(std::int64_t layer, std::int64_t head, std::int64_t length, const float* q, float scale, float* out,
              float* probabilities) const;

 private:
  template <typename From, typename To>
  void write_as(std::int64_t layer, std::int64_t first, const at::Tensor& k, const at::Tensor& v);

  at::Tensor keys_, values_;  // [layers, heads, head_dim, padded tokens], [layers, heads, tokens, padded head_dim]
};

}  // namespace thaw
