// The CPU kernels, compiled once for each instruction set (plain x86-64, AVX2, AVX-512) and chosen when the program runs.
// Pointers are to contiguous memory; `bf16` says whether activations are bfloat16 (as uint16) or float.
#pragma once

#include <cstdint>

namespace thaw::cpu {

struct DropoutArgs {
  std::uint64_t key = 0;
  std::int64_t first_token = 0;
  std::uint32_t threshold = 0;  // of 65536: lanes below it are dropped; 0: no dropout
  float scale = 1;              // of what is kept
};

struct Kernels {
  const char* name;
  // One head of one row: its first `queries` tokens look at all `length` of them. q, k, v, o (and their gradients): element
  // (token, d) at token · stride + d. dropout.first_token: the row's first. scratch: attention_scratch(length, dim) floats.
  void (*attention_forward)(bool bf16, const void* q, const void* k, const void* v, void* o, std::int64_t stride, std::int64_t queries,
                            std::int64_t length, std::int64_t dim, float scale, DropoutArgs dropout, std::int64_t head, std::int64_t heads,
                            float* scratch);
  void (*attention_backward)(bool bf16, const void* q, const void* k, const void* v, const void* grad_o, void* grad_q, void* grad_k,
                             void* grad_v, std::int64_t stride, std::int64_t queries, std::int64_t length, std::int64_t dim, float scale,
                             DropoutArgs dropout, std::int64_t head, std::int64_t heads, float* scratch);
  // Rows [begin, end) of y = x · mask. Also its own backward.
  void (*dropout)(bool bf16, const void* x, void* y, std::int64_t begin, std::int64_t end, std::int64_t width, DropoutArgs dropout);
  // Rows [begin, end): sum = dropout(x) + residual (where residual is not null), y = LN(sum), stats = (mean, 1/std) a row.
  void (*norm_forward)(bool bf16, const void* x, const void* residual, void* sum, void* y, float* stats, const float* gamma,
                       const float* beta, std::int64_t begin, std::int64_t end, std::int64_t width, float eps, DropoutArgs dropout);
  // Rows [begin, end): grad_sum (the residual's gradient) and grad_x = grad_sum · mask (may be null); adds the rows' part
  // of the gradients of gamma and beta.
  void (*norm_backward)(bool bf16, const void* grad_y, const void* sum, const float* stats, const float* gamma, void* grad_sum,
                        void* grad_x, float* grad_gamma, float* grad_beta, std::int64_t begin, std::int64_t end, std::int64_t width,
                        DropoutArgs dropout);
  // Adds rows [begin, end) of x: [rows, width] into sums: [width].
  void (*column_sums)(bool bf16, const void* x, float* sums, std::int64_t begin, std::int64_t end, std::int64_t width);
};

constexpr std::int64_t padded(std::int64_t n) { return (n + 15) / 16 * 16; }
// Four matrices of length × dim, two transposed, and three of length × length.
constexpr std::int64_t attention_scratch(std::int64_t length, std::int64_t dim) {
  return 8 * padded(length) * padded(dim) + 3 * padded(length) * padded(length) + 64;
}

const Kernels& kernels();  // the fastest that this processor runs; THAW_ISA=base|avx2|avx512 in the environment overrides
const Kernels& kernels_base();
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();

}  // namespace thaw::cpu
