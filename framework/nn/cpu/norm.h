// Dropout, and layer normalisation behind it. Included by kernels.cpp alone.
#pragma once

#include "framework/nn/cpu/dropout.h"
#include "framework/nn/cpu/lanes.h"

namespace thaw::cpu {
namespace {

constexpr i64 strip = 4096;  // a row's factors are drawn for so many elements at once

// Calls work(j, n, keep) for the strips of a row: elements j … j + n, whose factors are keep[0 … n]; none where nothing is dropped.
template <typename Work>
inline void for_strips(const DropoutArgs& d, i64 token, i64 width, const Work& work) {
  alignas(64) float keep[strip];
  for (i64 j = 0; j < width; j += strip) {
    const i64 n = width - j < strip ? width - j : strip;
    const std::uint64_t counter = static_cast<std::uint64_t>((d.first_token + token) * ((width + 7) / 8) + j / 8);
    if (d.threshold > 0) factors(d, counter, (n + 7) / 8, 1, 0, keep, 0);
    work(j, n, d.threshold > 0 ? keep : nullptr);
  }
}

// y = x · keep (+ residual), of n elements.
template <typename T>
inline void masked(const T* x, const float* keep, const T* residual, T* y, i64 n) {
  i64 e = 0;
  for (; e + 16 <= n; e += 16) {
    vec value = load16(x + e);
    if (keep != nullptr) value *= load16(keep + e);
    if (residual != nullptr) value += load16(residual + e);
    store16(y + e, value);
  }
  for (; e < n; ++e) store(y + e, load(x + e) * (keep != nullptr ? keep[e] : 1.0f) + (residual != nullptr ? load(residual + e) : 0.0f));
}

template <typename T>
void drop(const T* x, T* y, i64 begin, i64 end, i64 width, const DropoutArgs& d) {
  for (i64 i = begin; i < end; ++i)
    for_strips(d, i, width, [&](i64 j, i64 n, const float* keep) { masked<T>(x + i * width + j, keep, nullptr, y + i * width + j, n); });
}

template <typename T>
void norm_fwd(const T* x, const T* residual, T* sum, T* y, float* stats, const float* gamma, const float* beta, i64 begin, i64 end,
              i64 width, float eps, const DropoutArgs& d) {
  for (i64 i = begin; i < end; ++i) {
    const T* in = x + i * width;
    if (residual != nullptr) {
      T* const s = sum + i * width;
      for_strips(d, i, width, [&](i64 j, i64 n, const float* keep) { masked(in + j, keep, residual + i * width + j, s + j, n); });
      in = s;
    }
    vec totals{};
    float total = 0;
    i64 j = 0;
    for (; j + 16 <= width; j += 16) totals += load16(in + j);
    for (; j < width; ++j) total += load(in + j);
    const float mean = (sum_of_lanes(totals) + total) / static_cast<float>(width);
    vec squares{};
    float square = 0;
    for (j = 0; j + 16 <= width; j += 16) {
      const vec centred = load16(in + j) - mean;
      squares += centred * centred;
    }
    for (; j < width; ++j) square += (load(in + j) - mean) * (load(in + j) - mean);
    const float rstd = 1.0f / __builtin_sqrtf((sum_of_lanes(squares) + square) / static_cast<float>(width) + eps);
    stats[2 * i] = mean;
    stats[2 * i + 1] = rstd;
    T* const out = y + i * width;
    for (j = 0; j + 16 <= width; j += 16) store16(out + j, (load16(in + j) - mean) * rstd * load16(gamma + j) + load16(beta + j));
    for (; j < width; ++j) store(out + j, (load(in + j) - mean) * rstd * gamma[j] + beta[j]);
  }
}

template <typename T>
void norm_bwd(const T* gy, const T* sum, const float* stats, const float* gamma, T* gs, T* gx, float* ggamma, float* gbeta, i64 begin,
              i64 end, i64 width, const DropoutArgs& d) {
  for (i64 i = begin; i < end; ++i) {
    const T *const g = gy + i * width, *const s = sum + i * width;
    const float mean = stats[2 * i], rstd = stats[2 * i + 1];
    vec dots{}, totals{};
    float dot = 0, total = 0;
    i64 j = 0;
    for (; j + 16 <= width; j += 16) {
      const vec normed = (load16(s + j) - mean) * rstd, gr = load16(g + j), scaled = gr * load16(gamma + j);
      store16(ggamma + j, load16(ggamma + j) + gr * normed);
      store16(gbeta + j, load16(gbeta + j) + gr);
      dots += scaled * normed;
      totals += scaled;
    }
    for (; j < width; ++j) {
      const float normed = (load(s + j) - mean) * rstd, gr = load(g + j), scaled = gr * gamma[j];
      ggamma[j] += gr * normed;
      gbeta[j] += gr;
      dot += scaled * normed;
      total += scaled;
    }
    const float mean_dot = (sum_of_lanes(dots) + dot) / static_cast<float>(width),
                mean_total = (sum_of_lanes(totals) + total) / static_cast<float>(width);
    T* const out = gs + i * width;
    for (j = 0; j + 16 <= width; j += 16)
      store16(out + j, rstd * (load16(g + j) * load16(gamma + j) - mean_total - (load16(s + j) - mean) * rstd * mean_dot));
    for (; j < width; ++j) store(out + j, rstd * (load(g + j) * gamma[j] - mean_total - (load(s + j) - mean) * rstd * mean_dot));
    if (gx != nullptr)
      for_strips(d, i, width, [&](i64 at, i64 n, const float* keep) { masked<T>(out + at, keep, nullptr, gx + i * width + at, n); });
  }
}

}  // namespace
}  // namespace thaw::cpu
