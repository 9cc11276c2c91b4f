// Attention of one head of one row for inference, with the processor's products of bf16 pairs: twice as many a second as in
// fp32. Scores and sums are fp32, probabilities bf16. Included by kernels.cpp alone.
#pragma once

#include <cstring>

#include "framework/nn/cpu/kernels.h"
#include "framework/nn/cpu/lanes.h"

namespace thaw::cpu {
namespace {

#if defined(__AVX512F__)
#define THAW_BF16_PAIRS __attribute__((target("avx512bf16")))

using pair_t = std::uint32_t;  // two bf16, the first in the low half

// C[rows × 32] = A · B, or C + A · B, where A(i, k) is the pair at a[i · ar + k · ak] and B [depth × 32] pairs.
template <bool add, int rows>
THAW_BF16_PAIRS inline void pair_tile(i64 depth, const pair_t* a, i64 ar, i64 ak, const pair_t* b, i64 ldb, float* c, i64 ldc) {
  __m512 sums[rows][2];
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < 2; ++j) sums[i][j] = add ? _mm512_loadu_ps(c + i * ldc + 16 * j) : _mm512_setzero_ps();
  for (i64 k = 0; k < depth; ++k) {
    const __m512bh left = (__m512bh)_mm512_loadu_si512(b + k * ldb), right = (__m512bh)_mm512_loadu_si512(b + k * ldb + 16);
    for (int i = 0; i < rows; ++i) {
      const __m512bh pair = (__m512bh)_mm512_set1_epi32(static_cast<int>(a[i * ar + k * ak]));
      sums[i][0] = _mm512_dpbf16_ps(sums[i][0], pair, left);
      sums[i][1] = _mm512_dpbf16_ps(sums[i][1], pair, right);
    }
  }
  for (int i = 0; i < rows; ++i) {
    _mm512_storeu_ps(c + i * ldc, sums[i][0]);
    _mm512_storeu_ps(c + i * ldc + 16, sums[i][1]);
  }
}

template <bool add = false>
THAW_BF16_PAIRS inline void pair_product(i64 m, i64 n, i64 depth, const pair_t* a, i64 ar, i64 ak, const pair_t* b, i64 ldb, float* c,
                                         i64 ldc) {
  for (i64 j = 0; j < n; j += 32) {
    i64 i = 0;
    for (; i + 8 <= m; i += 8) pair_tile<add, 8>(depth, a + i * ar, ar, ak, b + j, ldb, c + i * ldc + j, ldc);
    for (; i < m; ++i) pair_tile<add, 1>(depth, a + i * ar, ar, ak, b + j, ldb, c + i * ldc + j, ldc);
  }
}

inline pair_t pair_at(const bf16_t* from, i64 left) {  // of `left` elements that are there: one or more
  if (left == 1) return *from;
  pair_t pair;
  std::memcpy(&pair, from, sizeof pair);
  return pair;
}

// Pairs along the head's dimension, [dim / 2 × ll]: element (d, token).
inline void pack_keys(const bf16_t* from, i64 stride, i64 length, i64 dim, pair_t* to, i64 ll) {
  for (i64 first = 0; first < ll; first += 16)
    for (i64 d = 0; d < dim; d += 2) {
      pair_t* const out = to + d / 2 * ll + first;
      for (i64 t = 0; t < 16; ++t) out[t] = first + t < length ? pair_at(from + (first + t) * stride + d, dim - d) : 0;
    }
}

// Pairs along the head's dimension, [length × dim / 2].
inline void pack_rows(const bf16_t* from, i64 stride, i64 length, i64 dim, pair_t* to) {
  for (i64 i = 0; i < length; ++i)
    for (i64 d = 0; d < dim; d += 2) *to++ = pair_at(from + i * stride + d, dim - d);
}

// Pairs along the tokens, [ll / 2 × ld]: element (token, d).
inline void pack_values(const bf16_t* from, i64 stride, i64 length, i64 dim, pair_t* to, i64 ll, i64 ld) {
  for (i64 t = 0; t < ll; t += 2)
    for (i64 d = 0; d < ld; ++d) {
      const pair_t low = t < length && d < dim ? from[t * stride + d] : 0,
                   high = t + 1 < length && d < dim ? from[(t + 1) * stride + d] : 0;
      to[t / 2 * ld + d] = low | high << 16;
    }
}

// A row of `columns` scores becomes probabilities but for their sum, which is returned; past `length` they are next to 0.
THAW_BF16_PAIRS inline float exponentials(float* scores, i64 length, i64 columns, float scale, bf16_t* out) {
  for (i64 j = length; j < columns; ++j) scores[j] = -1e30f;
  vec largest = load16(scores);
  for (i64 j = 16; j < columns; j += 16) {
    const vec here = load16(scores + j);
    largest = here > largest ? here : largest;
  }
  float most = largest[0];
  for (int lane = 1; lane < 16; ++lane) most = largest[lane] > most ? largest[lane] : most;
  vec sums{};
  for (i64 j = 0; j < columns; j += 16) {
    const vec e = exp16((load16(scores + j) - most) * scale);
    sums += e;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + j), (__m256i)_mm512_cvtneps_pbh((__m512)e));
  }
  return sum_of_lanes(sums);
}

THAW_BF16_PAIRS void attention_pairs(const void* q_given, const void* k_given, const void* v_given, void* o_given, const AttentionArgs& a,
                                     float* scratch) {
  const auto* const q = static_cast<const bf16_t*>(q_given);
  auto* const o = static_cast<bf16_t*>(o_given);
  const i64 ld = to_32(a.dim), ll = to_32(a.length), depth = (a.dim + 1) / 2;
  pair_t *const keys = reinterpret_cast<pair_t*>(scratch), *const values = keys + depth * ll, *const asking = values + ll / 2 * ld;
  float *const scores = reinterpret_cast<float*>(asking + bf16_block * depth), *const out = scores + bf16_block * ll;
  pair_t* const p = reinterpret_cast<pair_t*>(out + bf16_block * ld);
  pack_keys(static_cast<const bf16_t*>(k_given), a.stride, a.length, a.dim, keys, ll);
  pack_values(static_cast<const bf16_t*>(v_given), a.stride, a.length, a.dim, values, ll, ld);
  for (i64 first = 0; first < a.queries; first += bf16_block) {
    const i64 n = a.queries - first < bf16_block ? a.queries - first : bf16_block;
    pack_rows(q + first * a.stride, a.stride, n, a.dim, asking);
    pair_product(n, ll, depth, asking, depth, 1, keys, ll, scores, ll);
    float sums[bf16_block];
    for (i64 i = 0; i < n; ++i) sums[i] = exponentials(scores + i * ll, a.length, ll, a.scale, reinterpret_cast<bf16_t*>(p + i * ll / 2));
    pair_product(n, ld, ll / 2, p, ll / 2, 1, values, ld, out, ld);
    for (i64 i = 0; i < n; ++i)
      for (i64 d = 0; d < a.dim; ++d) store(o + (first + i) * a.out_stride + d, out[i * ld + d] / sums[i]);
  }
}
#endif

}  // namespace
}  // namespace thaw::cpu
