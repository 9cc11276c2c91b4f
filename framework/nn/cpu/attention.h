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

// to[columns × to_ld] = the transpose of from[rows × columns]: in squares, so that a line of each row is read once.
template <typename From, typename To>
inline void transpose(const From* from, i64 stride, i64 rows, i64 columns, To* to, i64 to_ld) {
  constexpr i64 side = 16;
  for (i64 i = 0; i < rows; i += side)
    for (i64 d = 0; d < columns; d += side) {
      if (i + side <= rows && d + side <= columns) {
        vec square[side];
        for (i64 r = 0; r < side; ++r) square[r] = load16(from + (i + r) * stride + d);
        transpose16(square);
        for (i64 r = 0; r < side; ++r) store16(to + (d + r) * to_ld + i, square[r]);
      } else {
        for (i64 r = i; r < rows && r < i + side; ++r)
          for (i64 c = d; c < columns && c < d + side; ++c) store(to + c * to_ld + r, load(from + r * stride + c));
      }
    }
}

// The same with zeros behind each row, up to its end.
template <typename T>
inline void transpose_padded(const T* from, i64 stride, i64 rows, i64 columns, float* to, i64 to_ld) {
  transpose(from, stride, rows, columns, to, to_ld);
  for (i64 d = 0; d < columns; ++d)
    for (i64 i = rows; i < to_ld; ++i) to[d * to_ld + i] = 0;
}

template <typename T>
inline void scatter(const float* from, i64 ld, i64 length, i64 dim, T* to, i64 stride) {
  for (i64 i = 0; i < length; ++i)
    for (i64 d = 0; d < dim; ++d) store(to + i * stride + d, from[i * ld + d]);
}

// `rows` rows of scores become probabilities, scaled first (scale > 0). Row i has `length` of them, or where `causal` the first
// min(length, seen + i); columns past these, up to `columns`, become 0. Twice over a row: a block of them is larger than the first cache.
inline void softmax(float* scores, i64 rows, i64 length, i64 columns, i64 ld, float scale, bool causal, i64 seen) {
  for (i64 i = 0; i < rows; ++i) {
    float* const row = scores + i * ld;
    const i64 n = causal && seen + i < length ? seen + i : length, whole = n / 16 * 16;
    for (i64 j = n; j < columns; ++j) row[j] = -3.4e38f;
    vec largest = vec{} - 3.4e38f;
    for (i64 j = 0; j < n; j += 16) {
      const vec score = load16(row + j);
      largest = score > largest ? score : largest;
    }
    float most = -3.4e38f;
    for (int lane = 0; lane < 16; ++lane) most = largest[lane] > most ? largest[lane] : most;
    vec sums{};
    for (i64 j = 0; j < whole; j += 16) {
      const vec e = exp16((load16(row + j) - most) * scale);
      store16(row + j, e);
      sums += e;
    }
    if (whole < n) {
      float* const last = row + whole;
      store16(last, exp16((load16(last) - most) * scale));
      for (i64 j = n - whole; j < 16; ++j) last[j] = 0;
      sums += load16(last);
    }
    const float inverse = 1.0f / sum_of_lanes(sums);
    for (i64 j = 0; j < n; j += 16) store16(row + j, load16(row + j) * inverse);
    for (i64 j = (n + 15) / 16 * 16; j < columns; ++j) row[j] = 0;
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
inline void for_query_blocks(const AttentionArgs& a, i64 block, const Work& work) {
  for (i64 first = 0; first < a.queries; first += block) {
    const i64 n = a.queries - first < block ? a.queries - first : block;
    work(first, n, a.causal && first + n < a.length ? first + n : a.length);
  }
}

// Fewer queries than backward takes at once, whose sums over them cost more: their scores stay near.
constexpr i64 forward_block = 16;
static_assert(forward_block <= attention_block);

template <typename T>
void forward(const T* q, const T* k, const T* v, T* o, const AttentionArgs& a, const DropoutArgs& dropout, float* scratch) {
  const i64 ld = padded(a.dim), ll = padded(a.length), block = attention_rows(a.queries);
  float *vf = scratch, *kt = vf + ll * ld, *qf = kt + ll * ld, *of = qf + block * ld, *p = of + block * ld, *keep = p + block * ll;
  gather(v, a.stride, a.length, a.dim, vf, ld);
  transpose_padded(k, a.stride, a.length, a.dim, kt, ll);
  for_query_blocks(a, forward_block, [&](i64 first, i64 n, i64 seen) {
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
  transpose_padded(kf, ld, a.length, a.dim, kt, ll);
  transpose_padded(vf, ld, a.length, a.dim, vt, ll);
  for (i64 i = 0; i < 2 * whole; ++i) gkf[i] = 0;  // gvf too, which stands behind it
  for_query_blocks(a, attention_block, [&](i64 first, i64 n, i64 seen) {
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
