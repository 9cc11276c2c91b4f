// Attention of one head of one row, forward and backward, in fp32. Included by kernels.cpp alone.
#pragma once

#include "framework/nn/cpu/dropout.h"
#include "framework/nn/cpu/lanes.h"

namespace thaw::cpu {
namespace {

// C[m × n] = A · B, where A(i, k) = a[i · ar + k · ak], B row-major with n and ldb multiples of 16, and C likewise.
template <int rows>
inline void tile(i64 n, i64 depth, const float* a, i64 ar, i64 ak, const float* b, i64 ldb, float* c, i64 ldc) {
  for (i64 j = 0; j < n; j += 16) {
    vec sums[rows];
    for (int i = 0; i < rows; ++i) sums[i] = vec{};
    for (i64 k = 0; k < depth; ++k) {
      const vec row = *reinterpret_cast<const vec*>(b + k * ldb + j);
      for (int i = 0; i < rows; ++i) sums[i] += a[i * ar + k * ak] * row;
    }
    for (int i = 0; i < rows; ++i) *reinterpret_cast<vec*>(c + i * ldc + j) = sums[i];
  }
}

inline void product(i64 m, i64 n, i64 depth, const float* a, i64 ar, i64 ak, const float* b, i64 ldb, float* c, i64 ldc) {
  i64 i = 0;
  for (; i + 8 <= m; i += 8) tile<8>(n, depth, a + i * ar, ar, ak, b, ldb, c + i * ldc, ldc);
  for (; i + 4 <= m; i += 4) tile<4>(n, depth, a + i * ar, ar, ak, b, ldb, c + i * ldc, ldc);
  for (; i < m; ++i) tile<1>(n, depth, a + i * ar, ar, ak, b, ldb, c + i * ldc, ldc);
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

// `rows` rows of scores become probabilities, scaled first; columns past `length` become 0.
inline void softmax(float* scores, i64 rows, i64 length, i64 ld, float scale) {
  for (i64 i = 0; i < rows; ++i) {
    float* const row = scores + i * ld;
    float most = row[0] * scale;
    for (i64 j = 0; j < length; ++j) {
      row[j] *= scale;
      most = row[j] > most ? row[j] : most;
    }
    for (i64 j = length; j < ld; ++j) row[j] = -1e30f;
    vec sums{};
    for (i64 j = 0; j < ld; j += 16) {
      vec e = exp16(*reinterpret_cast<const vec*>(row + j) - most);
      *reinterpret_cast<vec*>(row + j) = e;
    }
    for (i64 j = length; j < ld; ++j) row[j] = 0;
    for (i64 j = 0; j < ld; j += 16) sums += *reinterpret_cast<const vec*>(row + j);
    float sum = 0;
    for (int lane = 0; lane < 16; ++lane) sum += sums[lane];
    const float inverse = 1.0f / sum;
    for (i64 j = 0; j < ld; j += 16) *reinterpret_cast<vec*>(row + j) *= inverse;
  }
}

// Factors of one head's probabilities, [queries, length]. A query owns 8192 counters a head: 65,536 key positions.
inline void attention_factors(const DropoutArgs& d, i64 head, i64 heads, i64 queries, i64 length, float* out, i64 ld) {
  constexpr std::uint64_t of_query = 8192;
  factors(d, static_cast<std::uint64_t>(d.first_token * heads + head) * of_query, (length + 7) / 8, queries,
          static_cast<std::uint64_t>(heads) * of_query, out, ld);
}

template <typename T>
void forward(const T* q, const T* k, const T* v, T* o, i64 stride, i64 queries, i64 length, i64 dim, float scale,
             const DropoutArgs& dropout, i64 head, i64 heads, float* scratch) {
  const i64 ld = padded(dim), ll = padded(length);
  float *qf = scratch, *kf = qf + ll * ld, *vf = kf + ll * ld, *kt = vf + ll * ld, *of = kt + ll * ld, *p = of + ll * ld,
        *keep = p + ll * ll;
  gather(q, stride, queries, dim, qf, ld);
  gather(k, stride, length, dim, kf, ld);
  gather(v, stride, length, dim, vf, ld);
  transpose(kf, length, dim, ld, kt, ll);
  product(queries, ll, dim, qf, ld, 1, kt, ll, p, ll);
  softmax(p, queries, length, ll, scale);
  if (dropout.threshold > 0) {
    attention_factors(dropout, head, heads, queries, length, keep, ll);
    for (i64 i = 0; i < queries; ++i)
      for (i64 j = 0; j < length; ++j) p[i * ll + j] *= keep[i * ll + j];
  }
  product(queries, ld, length, p, ll, 1, vf, ld, of, ld);
  scatter(of, ld, queries, dim, o, stride);
}

template <typename T>
void backward(const T* q, const T* k, const T* v, const T* go, T* gq, T* gk, T* gv, i64 stride, i64 queries, i64 length, i64 dim,
              float scale, const DropoutArgs& dropout, i64 head, i64 heads, float* scratch) {
  const i64 ld = padded(dim), ll = padded(length), block = ll * ld;
  float *qf = scratch, *kf = qf + block, *vf = kf + block, *gof = vf + block, *kt = gof + block, *vt = kt + block, *out = vt + block;
  float *p = out + block, *dropped = p + ll * ll, *gp = dropped + ll * ll;
  gather(q, stride, queries, dim, qf, ld);
  gather(k, stride, length, dim, kf, ld);
  gather(v, stride, length, dim, vf, ld);
  gather(go, stride, queries, dim, gof, ld);
  transpose(kf, length, dim, ld, kt, ll);
  transpose(vf, length, dim, ld, vt, ll);
  product(queries, ll, dim, qf, ld, 1, kt, ll, p, ll);
  softmax(p, queries, length, ll, scale);
  product(queries, ll, dim, gof, ld, 1, vt, ll, gp, ll);  // gradient of the dropped probabilities
  const float* used = p;
  if (dropout.threshold > 0) {
    used = dropped;
    attention_factors(dropout, head, heads, queries, length, dropped, ll);
    for (i64 i = 0; i < queries; ++i)
      for (i64 j = 0; j < length; ++j) {
        gp[i * ll + j] *= dropped[i * ll + j];
        dropped[i * ll + j] *= p[i * ll + j];
      }
  }
  product(length, ld, queries, used, 1, ll, gof, ld, out, ld);
  scatter(out, ld, length, dim, gv, stride);
  for (i64 i = 0; i < queries; ++i) {  // softmax backward, in place: gp becomes the gradient of q·kᵀ
    float dot = 0;
    for (i64 j = 0; j < length; ++j) dot += gp[i * ll + j] * p[i * ll + j];
    for (i64 j = 0; j < length; ++j) gp[i * ll + j] = p[i * ll + j] * (gp[i * ll + j] - dot) * scale;
  }
  product(queries, ld, length, gp, ll, 1, kf, ld, out, ld);
  scatter(out, ld, queries, dim, gq, stride);
  product(length, ld, queries, gp, 1, ll, qf, ld, out, ld);
  scatter(out, ld, length, dim, gk, stride);
}

}  // namespace
}  // namespace thaw::cpu
