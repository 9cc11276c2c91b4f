// What decoding one token after another needs: products of a few rows with weights in panels, and a query against cached keys
// and values. Weights and caches are fp32 or bf16, everything else fp32. Included by kernels.cpp alone.
#pragma once

#include "framework/nn/cpu/attention.h"

namespace thaw::cpu {
namespace {

// rows × 32 of x · panel, where the panel is [depth × 32].
template <int rows, typename T>
inline void panel_tile(i64 depth, const float* x, i64 ldx, const T* panel, const float* bias, const float* residual, float* out, i64 ldo,
                       i64 columns) {
  vec sums[rows][2];
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < 2; ++j) sums[i][j] = vec{};
  for (i64 k = 0; k < depth; ++k) {
    const vec row[2] = {load16(panel + k * panel_width), load16(panel + k * panel_width + 16)};
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < 2; ++j) sums[i][j] += x[i * ldx + k] * row[j];
  }
  for (int i = 0; i < rows; ++i)
    for (i64 j = 0; j < 2; ++j) {
      const vec sum = sums[i][j] + load16(bias + 16 * j);
      float* const to = out + i * ldo + 16 * j;
      if (16 * (j + 1) <= columns) {
        store16(to, residual != nullptr ? sum + load16(residual + i * ldo + 16 * j) : sum);
      } else {
        for (i64 lane = 0; 16 * j + lane < columns; ++lane)
          to[lane] = sum[lane] + (residual != nullptr ? residual[i * ldo + 16 * j + lane] : 0.0f);
      }
    }
}

// The last rows, `most` of them or fewer: at once too, so that the panel is read once for them.
template <int most, typename T>
void panel_rest(i64 rows, i64 depth, const float* x, const T* panel, const float* bias, const float* residual, float* out, i64 ldo,
                i64 columns) {
  if (rows == most) panel_tile<most>(depth, x, depth, panel, bias, residual, out, ldo, columns);
  else if constexpr (most > 1) panel_rest<most - 1>(rows, depth, x, panel, bias, residual, out, ldo, columns);
}

template <typename T>
void panel_rows(const float* x, i64 rows, i64 depth, const T* panel, const float* bias, const float* residual, float* out, i64 ldo,
                i64 columns) {
  const auto at = [&](const float* from, i64 i) { return from != nullptr ? from + i * ldo : nullptr; };
  i64 i = 0;
  for (; i + 8 <= rows; i += 8) panel_tile<8>(depth, x + i * depth, depth, panel, bias, at(residual, i), out + i * ldo, ldo, columns);
  panel_rest<7>(rows - i, depth, x + i * depth, panel, bias, at(residual, i), out + i * ldo, ldo, columns);
}

// Keys are read as they lie, eight of their rows at a time: with one query a step this is bound by memory.
template <typename T>
void attend_one(const float* q, const T* keys, i64 ldk, const T* values, i64 length, i64 dim, float scale, float* out, float* p) {
  const i64 columns = padded(length), width = padded(dim);
  for (i64 j = 0; j < columns; ++j) p[j] = 0;
  constexpr int together = 8;
  i64 d = 0;
  for (; d + together <= dim; d += together)
    for (i64 j = 0; j < columns; j += 16) {
      vec sum = load16(p + j);
      for (int i = 0; i < together; ++i) sum += q[d + i] * load16(keys + (d + i) * ldk + j);
      store16(p + j, sum);
    }
  for (; d < dim; ++d)
    for (i64 j = 0; j < columns; j += 16) store16(p + j, load16(p + j) + q[d] * load16(keys + d * ldk + j));
  softmax(p, 1, length, columns, columns, scale, false, length);
  for (d = 0; d < width; d += 16) {
    vec sums[4] = {};
    i64 j = 0;
    for (; j + 4 <= length; j += 4)
      for (int i = 0; i < 4; ++i) sums[i] += p[j + i] * load16(values + (j + i) * width + d);
    for (; j < length; ++j) sums[0] += p[j] * load16(values + j * width + d);
    const vec sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for (i64 lane = 0; lane < 16 && d + lane < dim; ++lane) out[d + lane] = sum[lane];
  }
}

}  // namespace
}  // namespace thaw::cpu
