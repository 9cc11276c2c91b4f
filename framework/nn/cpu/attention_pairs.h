// Training's attention of one head of one row in bf16: the same as attention.h's with products of bf16 pairs, twice as many a
// second as in fp32. Scores, softmax and sums are fp32; probabilities and the gradients of scores are rounded to bf16 before
// they are multiplied, as q, k and v were before they came here. Included by kernels.cpp alone.
#pragma once

#include "framework/nn/cpu/attention.h"
#include "framework/nn/cpu/attention_bf16.h"

namespace thaw::cpu {
namespace {

#if defined(__AVX512F__)
THAW_BF16_PAIRS inline __m256i rounded(const float* x) { return (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x)); }

// Pairs along the columns, [rows × ld / 2].
THAW_BF16_PAIRS inline void round_rows(const float* from, i64 rows, i64 columns, i64 ld, pair_t* to) {
  for (i64 i = 0; i < rows; ++i)
    for (i64 j = 0; j < columns; j += 16)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + (i * ld + j) / 2), rounded(from + i * ld + j));
}

// Pairs along the rows, [rows / 2 × ld]; an odd last one's is with 0.
THAW_BF16_PAIRS inline void round_columns(const float* from, i64 rows, i64 columns, i64 ld, pair_t* to) {
  for (i64 i = 0; i < rows; i += 2)
    for (i64 j = 0; j < columns; j += 16) {
      const __m512i low = _mm512_cvtepu16_epi32(rounded(from + i * ld + j));
      const __m512i high = i + 1 < rows ? _mm512_cvtepu16_epi32(rounded(from + (i + 1) * ld + j)) : _mm512_setzero_si512();
      _mm512_storeu_si512(to + i / 2 * ld + j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
}

inline pair_t* take(float*& scratch, i64 pairs) {
  pair_t* const taken = reinterpret_cast<pair_t*>(scratch);
  scratch += pairs;
  return taken;
}
inline float* take_floats(float*& scratch, i64 floats) { return (scratch += floats) - floats; }

THAW_BF16_PAIRS void forward_pairs(const bf16_t* q, const bf16_t* k, const bf16_t* v, bf16_t* o, const AttentionArgs& a,
                                   const DropoutArgs& dropout, float* scratch) {
  const i64 ld = to_32(a.dim), ll = to_32(a.length), depth = (a.dim + 1) / 2, block = attention_rows(a.queries);
  pair_t *const keys = take(scratch, depth * ll), *const values = take(scratch, ll / 2 * ld), *const asking = take(scratch, block * depth);
  float *const p = take_floats(scratch, block * ll), *const keep = take_floats(scratch, block * ll),
               *const out = take_floats(scratch, block * ld);
  pair_t* const weights = take(scratch, block * ll / 2);
  pack_keys(k, a.stride, a.length, a.dim, keys, ll);
  pack_values(v, a.stride, a.length, a.dim, values, ll, ld);
  for_query_blocks(a, attention_block, [&](i64 first, i64 n, i64 seen) THAW_BF16_PAIRS {
    const i64 columns = to_32(seen);
    pack_rows(q + first * a.stride, a.stride, n, a.dim, asking);
    pair_product(n, columns, depth, asking, depth, 1, keys, ll, p, ll);
    softmax(p, n, seen, columns, ll, a.scale, a.causal, first + 1);
    if (dropout.threshold > 0) {
      attention_factors(dropout, first, a.head, a.heads, n, seen, keep, ll);
      multiply(p, keep, n, seen, ll);
    }
    round_rows(p, n, columns, ll, weights);
    pair_product(n, ld, columns / 2, weights, ll / 2, 1, values, ld, out, ld);
    scatter(out, ld, n, a.dim, o + first * a.out_stride, a.out_stride);
  });
}

THAW_BF16_PAIRS void backward_pairs(const bf16_t* q, const bf16_t* k, const bf16_t* v, const bf16_t* go, bf16_t* gq, bf16_t* gk, bf16_t* gv,
                                    const AttentionArgs& a, const DropoutArgs& dropout, float* scratch) {
  const i64 ld = to_32(a.dim), ll = to_32(a.length), depth = (a.dim + 1) / 2, block = attention_rows(a.queries), pairs = (block + 1) / 2;
  pair_t *const keys = take(scratch, depth * ll), *const values = take(scratch, depth * ll), *const by_token = take(scratch, ll / 2 * ld);
  float *const gkf = take_floats(scratch, 2 * ll * ld), *const gvf = gkf + ll * ld;
  float *const p = take_floats(scratch, block * ll), *const dropped = take_floats(scratch, block * ll),
               *const gp = take_floats(scratch, block * ll);
  pair_t *const weights = take(scratch, pairs * ll), *const asking = take(scratch, block * depth),
                *const columns_of = take(scratch, pairs * ld);
  float* const out = take_floats(scratch, block * ld);
  pack_keys(k, a.stride, a.length, a.dim, keys, ll);
  pack_keys(v, a.stride, a.length, a.dim, values, ll);
  pack_values(k, a.stride, a.length, a.dim, by_token, ll, ld);
  for (i64 i = 0; i < 2 * ll * ld; ++i) gkf[i] = 0;  // gvf too, which stands behind it
  for_query_blocks(a, attention_block, [&](i64 first, i64 n, i64 seen) THAW_BF16_PAIRS {
    const i64 columns = to_32(seen), even = (n + 1) / 2 * 2;
    const bf16_t *const asks = q + first * a.stride, *const grad = go + first * a.out_stride;
    pack_rows(asks, a.stride, n, a.dim, asking);
    pair_product(n, columns, depth, asking, depth, 1, keys, ll, p, ll);
    softmax(p, n, seen, columns, ll, a.scale, a.causal, first + 1);
    pack_rows(grad, a.out_stride, n, a.dim, asking);
    pair_product(n, columns, depth, asking, depth, 1, values, ll, gp, ll);  // gradient of the dropped probabilities
    const float* used = p;
    if (dropout.threshold > 0) {
      used = dropped;
      attention_factors(dropout, first, a.head, a.heads, n, seen, dropped, ll);
      multiply(gp, dropped, n, seen, ll);
      multiply(dropped, p, n, seen, ll);
    }
    round_columns(used, n, columns, ll, weights);
    pack_values(grad, a.out_stride, n, a.dim, columns_of, even, ld);
    pair_product<true>(seen, ld, even / 2, weights, 1, ll, columns_of, ld, gvf, ld);
    softmax_backward(gp, p, n, columns, ll, a.scale);
    round_rows(gp, n, columns, ll, weights);
    pair_product(n, ld, columns / 2, weights, ll / 2, 1, by_token, ld, out, ld);
    scatter(out, ld, n, a.dim, gq + first * a.stride, a.stride);
    round_columns(gp, n, columns, ll, weights);
    pack_values(asks, a.stride, n, a.dim, columns_of, even, ld);
    pair_product<true>(seen, ld, even / 2, weights, 1, ll, columns_of, ld, gkf, ld);
  });
  scatter(gvf, ld, a.length, a.dim, gv, a.stride);
  scatter(gkf, ld, a.length, a.dim, gk, a.stride);
}
#endif

}  // namespace
}  // namespace thaw::cpu
