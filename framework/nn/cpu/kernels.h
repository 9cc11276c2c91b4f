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

// One head of one row: `queries` tokens look at `length` others, at all of them or, where `causal`, query i at the first i + 1.
// Element (token, d) of q, k, v and their gradients is at token · stride + d, of o at token · out_stride + d. The first query draws as DropoutArgs::first_token.
struct AttentionArgs {
  std::int64_t stride, out_stride, queries, length, dim;
  float scale;
  bool causal;
  std::int64_t head, heads;
};

struct Kernels {
  const char* name;
  // q, o (and their gradients): a.queries tokens, k, v: a.length of them. scratch: attention_scratch(…) floats.
  void (*attention_forward)(bool bf16, const void* q, const void* k, const void* v, void* o, const AttentionArgs& a, DropoutArgs dropout,
                            float* scratch);
  void (*attention_backward)(bool bf16, const void* q, const void* k, const void* v, const void* grad_o, void* grad_q, void* grad_k,
                             void* grad_v, const AttentionArgs& a, DropoutArgs dropout, float* scratch);
  // The same forward in bf16 alone, for inference: not causal, no dropout, probabilities rounded to bf16. Null where the processor
  // has no products of bf16 pairs.
  void (*attention_bf16)(const void* q, const void* k, const void* v, void* o, const AttentionArgs& a,
                         float* scratch);  // attention_bf16_scratch(…)
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
  // Normalisation down the columns, where y = x · scale + offset, x and y being of either type. Rows [begin, end):
  // adds g and g · (x − mean) into sums and dots: [width], where g, of y's type, is y's gradient; null: x − mean itself.
  void (*column_moments)(bool bf16_x, bool bf16_y, const void* g, const void* x, const float* mean, float* sums, float* dots,
                         std::int64_t begin, std::int64_t end, std::int64_t width);
  // y = x · scale + offset; its gradient x = g · of_g + x · of_x + offset.
  void (*column_affine)(bool bf16_x, bool bf16_y, const void* x, const float* scale, const float* offset, void* y, std::int64_t begin,
                        std::int64_t end, std::int64_t width);
  void (*column_affine_backward)(bool bf16_x, bool bf16_y, const void* g, const float* of_g, const void* x, const float* of_x,
                                 const float* offset, void* grad_x, std::int64_t begin, std::int64_t end, std::int64_t width);
  // Columns 0 … `columns` (at most panel_width) of out = x · panel + bias (+ residual, which may be null and may be out).
  // x: [rows × depth], panel: [depth × panel_width], bf16 or fp32, bias: [panel_width]; out, residual: rows `ldo` apart.
  // A row's bits do not depend on the others.
  void (*panel_product)(bool bf16, const float* x, std::int64_t rows, std::int64_t depth, const void* panel, const float* bias,
                        const float* residual, float* out, std::int64_t ldo, std::int64_t columns);
  // to[columns × to_ld] = the transpose of from[rows × columns], rows `stride` apart; bf16 becomes bf16, fp32 either.
  void (*transpose)(bool from_bf16, bool to_bf16, const void* from, std::int64_t stride, std::int64_t rows, std::int64_t columns, void* to,
                    std::int64_t to_ld);
  // One query of one head against `length` cached tokens: keys: [dim × ldk], token after token in a row, ldk at least
  // padded(length) and finite; values: [length × padded(dim)]; both bf16 or fp32. out: [dim], probabilities: [padded(length)].
  void (*attend_one)(bool bf16, const float* q, const void* keys, std::int64_t ldk, const void* values, std::int64_t length,
                     std::int64_t dim, float scale, float* out, float* probabilities);
};

constexpr std::int64_t padded(std::int64_t n) { return (n + 15) / 16 * 16; }
constexpr std::int64_t panel_width = 32;
constexpr std::int64_t attention_block = 64;  // queries whose scores are held at once
constexpr std::int64_t attention_rows(std::int64_t queries) { return queries < attention_block ? queries : attention_block; }
constexpr std::int64_t to_32(std::int64_t n) { return (n + 31) / 32 * 32; }
// Six matrices of length × dim; for a block of queries four of dim and four of length.
constexpr std::int64_t attention_scratch(std::int64_t queries, std::int64_t length, std::int64_t dim) {
  return 6 * to_32(length) * to_32(dim) + 4 * (attention_rows(queries) + 1) * (to_32(dim) + to_32(length)) + 64;
}

constexpr std::int64_t bf16_block = 32;  // the same for attention_bf16
constexpr std::int64_t attention_bf16_scratch(std::int64_t length, std::int64_t dim) {
  return to_32(length) * to_32(dim) + bf16_block * (2 * to_32(dim) + 2 * to_32(length));
}

const Kernels& kernels();  // the fastest that this processor runs; THAW_ISA=base|avx2|avx512 in the environment overrides
const Kernels& kernels_base();
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();

}  // namespace thaw::cpu
