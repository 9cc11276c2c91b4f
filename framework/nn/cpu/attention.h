// Attention of one head of one row, forward and backward, in fp32. Included by kernels.cpp alone.
#pragma once

#include "framework/nn/cpu/dropout.h"
#include "framework/nn/cpu/lanes.h"

namespace thaw::cpu {
namespace {

#if defined(__AVX512F__)
constexpr int strip_vecs = 2;  // 8 × 2 sums stay in registers; elsewhere a vec takes several of them
#else
constexpr int strip_vecs = 1;
#endif

// C[rows × 16 · vecs] = A · B, or C + A · B: sums over `depth` in order, one after another.
template <bool add, int rows, int vecs>
inline void tile(i64 depth, const float* a, i64 ar, i64 ak, const float* b, i64 ldb, float* c, i64 ldc) {
  vec sums[rows][vecs];
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < vecs; ++j) sums[i][j] = add ? load16(c + i * ldc + 16 * j) : vec{};
  for (i64 k = 0; k < depth; ++k) {
    vec row[vecs];
    for (int j = 0; j < vecs; ++j) row[j] = load16(b + k * ldb + 16 * j);
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < vecs; ++j) sums[i][j] += a[i * ar + k * ak] * row[j];
  }
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < vecs; ++j) store16(c + i * ldc + 16 * j, sums[i][j]);
}

template <bool add, int vecs>
inline void strip_product(i64 m, i64 depth, const float* a, i64 ar, i64 ak, const float* b, i64 ldb, float* c, i64 ldc) {
  i64 i = 0;
  for (; i + 8 <= m; i += 8) tile<add, 8, vecs>(depth, a + i * ar, ar, ak, b, ldb, c + i * ldc, ldc);
  for (; i + 4 <= m; i += 4) tile<add, 4, vecs>(depth, a + i * ar, ar, ak, b, ldb, c + i * ldc, ldc);
  for (; i < m; ++i) tile<add, 1, vecs>(depth, a + i * ar, ar, ak, b, ldb, c + i * ldc, ldc);
}

// C[m × n] = A · B, or C + A · B, where A(i, k) = a[i · ar + k · ak], B row-major with n and ldb multiples of 16, and C likewise.
template <bool add = false>
inline void product(i64 m, i64 n, i64 depth, const float* a, i64 ar, i64 ak, const float* b, i64 ldb, float* c, i64 ldc) {
  i64 j = 0;
  for (; j + 16 * strip_vecs <= n; j += 16 * strip_vecs) strip_product<add, strip_vecs>(m, depth, a, ar, ak, b + j, ldb, c + j, ldc);
  for (; j < n; j += 16) strip_product<add, 1>(m, depth, a, ar, ak, b + j, ldb, c + j, ldc);
}

template <typename T>
inline void gather(const T* from, i64 stride, i64 length, i64 dim, float* to, i64 ld) {
  for (i64 i = 0; i < length; ++i) {
    for (i64 d = 0; d < dim; ++d) to[i * ld + d] = load(from + i * stride + d);
    for (i64 d = dim; d < ld; ++d) to[i * ld + d] = 0;
  }
}

inline void transpose(const float* from, i64 length, i64 dim, i64 ld, float* to, i64 to_ld) {
  for (i64 d = 0; d < dim; ++d) {
    for (i64 i = 0; i < length; ++i) to[d * to_ld + i] = from[i * ld + d];
    for (i64 i = length; i < to_ld; ++i) to[d * to_ld + i] = 0;
  }
}

template <typename T>
inline void scatter(const float* from, i64 ld, i64 length, i64 dim, T* to, i64 stride) {
  for (i64 i = 0; i < length; ++i)
    for (i64 d = 0; d < dim; ++d) store(to + i * stride + d, from[i * ld + d]);
}

// `rows` rows of scores become probabilities, scaled first. Row i has `length` of them, or where `causal` the first
// min(length, seen + i); columns past these, up to `columns`, become 0.
inline void softmax(float* scores, i64 rows, i64 length, i64 columns, i64 ld, float scale, bool causal, i64 seen) {
  for (i64 i = 0; i < rows; ++i) {
    float* const row = scores + i * ld;
    const i64 n = causal && seen + i < length ? seen + i : length;
    vec largest = vec{} - 3.4e38f;
    i64 j = 0;
    for (; j + 16 <= n; j += 16) {
      const vec scaled = load16(row + j) * scale;
      store16(row + j, scaled);
      largest = scaled > largest ? scaled : largest;
    }
    float most = -3.4e38f;
    for (int lane = 0; lane < 16; ++lane) most = largest[lane] > most ? largest[lane] : most;
    for (; j < n; ++j) {
      row[j] *= scale;
      most = row[j] > most ? row[j] : most;
    }
    for (j = n; j < columns; ++j) row[j] = -1e30f;
    for (j = 0; j < columns; j += 16) store16(row + j, exp16(load16(row + j) - most));
    for (j = n; j < columns; ++j) row[j] = 0;
    vec sums{};
    for (j = 0; j < columns; j += 16) sums += load16(row + j);
    const float inverse = 1.0f / sum_of_lanes(sums);
    for (j = 0; j < columns; j += 16) store16(row + j, load16(row + j) * inverse);
  }
}

// In place: the gradient of `rows` rows of probabilities becomes that of the scores before they were scaled. Whole vecs of
// columns, behind the last of which probabilities are 0.
inline void softmax_backward(float* grad, const float* probabilities, i64 rows, i64 columns, i64 ld, float scale) {
  for (i64 i = 0; i < rows; ++i) {
    float* const g = grad + i * ld;
    const float* const p = probabilities + i * ld;
    vec sums{};
    for (i64 j = 0; j < columns; j += 16) sums += load16(g + j) * load16(p + j);
    const float dot = sum_of_lanes(sums);
    for (i64 j = 0; j < columns; j += 16) store16(g + j, load16(p + j) * (load16(g + j) - dot) * scale);
  }
}

// Factors of one head's probabilities, [queries, length]. A query owns 8192 counters a head: 65,536 key positions.
inline void attention_factors(const DropoutArgs& d, i64 query, i64 head, i64 heads, i64 queries, i64 length, float* out, i64 ld) {
  constexpr std::uint64_t of_query = 8192;
  factors(d, static_cast<std::uint64_t>((d.first_token + query) * heads + head) * of_query, (length + 7) / 8, queries,
          static_cast<std::uint64_t>(heads) * of_query, out, ld);
}

// x = x · y, of [rows, columns].
inline void multiply(float* x, const float* y, i64 rows, i64 columns, i64 ld) {
  for (i64 i = 0; i < rows; ++i)
    for (i64 j = 0; j < columns; ++j) x[i * ld + j] *= y[i * ld + j];
}

// Calls work(first, n, seen) for blocks of queries first … first + n, which see the first `seen` keys or fewer.
template <typename Work>
inline void for_query_blocks(const AttentionArgs& a, const Work& work) {
  for (i64 first = 0; first < a.queries; first += attention_block) {
    const i64 n = a.queries - first < attention_block ? a.queries - first : attention_block;
    work(first, n, a.causal && first + n < a.length ? first + n : a.length);
  }
}

template <typename T>
void forward(const T* q, const T* k, const T* v, T* o, const AttentionArgs& a, const DropoutArgs& dropout, float* scratch) {
  const i64 ld = padded(a.dim), ll = padded(a.length), block = attention_rows(a.queries);
  float *kf = scratch, *vf = kf + ll * ld, *kt = vf + ll * ld, *qf = kt + ll * ld, *of = qf + block * ld, *p = of + block * ld,
        *keep = p + block * ll;
  gather(k, a.stride, a.length, a.dim, kf, ld);
  gather(v, a.stride, a.length, a.dim, vf, ld);
  transpose(kf, a.length, a.dim, ld, kt, ll);
  for_query_blocks(a, [&](i64 first, i64 n, i64 seen) {
    gather(q + first * a.stride, a.stride, n, a.dim, qf, ld);
    product(n, padded(seen), a.dim, qf, ld, 1, kt, ll, p, ll);
    softmax(p, n, seen, padded(seen), ll, a.scale, a.causal, first + 1);
    if (dropout.threshold > 0) {
      attention_factors(dropout, first, a.head, a.heads, n, seen, keep, ll);
      multiply(p, keep, n, seen, ll);
    }
    product(n, ld, seen, p, ll, 1, vf, ld, of, ld);
    scatter(of, ld, n, a.dim, o + first * a.out_stride, a.out_stride);
  });
}

// The gradients of k and v are summed query after query, block after block: the same bits as without blocks.
template <typename T>
void backward(const T* q, const T* k, const T* v, const T* go, T* gq, T* gk, T* gv, const AttentionArgs& a, const DropoutArgs& dropout,
              float* scratch) {
  const i64 ld = padded(a.dim), ll = padded(a.length), whole = ll * ld, block = attention_rows(a.queries);
  float *kf = scratch, *vf = kf + whole, *kt = vf + whole, *vt = kt + whole, *gkf = vt + whole, *gvf = gkf + whole;
  float *qf = gvf + whole, *gof = qf + block * ld, *out = gof + block * ld;
  float *p = out + block * ld, *dropped = p + block * ll, *gp = dropped + block * ll;
  gather(k, a.stride, a.length, a.dim, kf, ld);
  gather(v, a.stride, a.length, a.dim, vf, ld);
  transpose(kf, a.length, a.dim, ld, kt, ll);
  transpose(vf, a.length, a.dim, ld, vt, ll);
  for (i64 i = 0; i < 2 * whole; ++i) gkf[i] = 0;  // gvf too, which stands behind it
  for_query_blocks(a, [&](i64 first, i64 n, i64 seen) {
    gather(q + first * a.stride, a.stride, n, a.dim, qf, ld);
    gather(go + first * a.out_stride, a.out_stride, n, a.dim, gof, ld);
    product(n, padded(seen), a.dim, qf, ld, 1, kt, ll, p, ll);
    softmax(p, n, seen, padded(seen), ll, a.scale, a.causal, first + 1);
    product(n, padded(seen), a.dim, gof, ld, 1, vt, ll, gp, ll);  // gradient of the dropped probabilities
    const float* used = p;
    if (dropout.threshold > 0) {
      used = dropped;
      attention_factors(dropout, first, a.head, a.heads, n, seen, dropped, ll);
      multiply(gp, dropped, n, seen, ll);
      multiply(dropped, p, n, seen, ll);
    }
    product<true>(seen, ld, n, used, 1, ll, gof, ld, gvf, ld);
    softmax_backward(gp, p, n, padded(seen), ll, a.scale);
    product(n, ld, seen, gp, ll, 1, kf, ld, out, ld);
    scatter(out, ld, n, a.dim, gq + first * a.stride, a.stride);
    product<true>(seen, ld, n, gp, 1, ll, qf, ld, gkf, ld);
  });
  scatter(gvf, ld, a.length, a.dim, gv, a.stride);
  scatter(gkf, ld, a.length, a.dim, gk, a.stride);
}

}  // namespace
}  // namespace thaw::cpu
