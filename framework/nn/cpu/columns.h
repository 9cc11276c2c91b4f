// Sums and factors down the columns of [rows, width]. Included by kernels.cpp alone.
#pragma once

#include "framework/nn/cpu/lanes.h"

namespace thaw::cpu {
namespace {

template <typename T>
void columns(const T* x, float* sums, i64 begin, i64 end, i64 width) {
  for (i64 i = begin; i < end; ++i)
    for (i64 j = 0; j < width; ++j) sums[j] += load(x + i * width + j);
}

// Adds g and g · (x − mean); without g, x − mean stands for it.
template <typename G, typename X>
void moments(const G* g, const X* x, const float* mean, float* sums, float* dots, i64 begin, i64 end, i64 width) {
  for (i64 i = begin; i < end; ++i) {
    i64 j = 0;
    for (; j + 16 <= width; j += 16) {
      const vec centred = load16(x + i * width + j) - load16(mean + j), value = g != nullptr ? load16(g + i * width + j) : centred;
      store16(sums + j, load16(sums + j) + value);
      store16(dots + j, load16(dots + j) + value * centred);
    }
    for (; j < width; ++j) {
      const float centred = load(x + i * width + j) - mean[j], value = g != nullptr ? load(g + i * width + j) : centred;
      sums[j] += value;
      dots[j] += value * centred;
    }
  }
}

// out = a · of_a (+ b · of_b) + offset
template <typename A, typename B, typename Out>
void affine(const A* a, const float* of_a, const B* b, const float* of_b, const float* offset, Out* out, i64 begin, i64 end, i64 width) {
  for (i64 i = begin; i < end; ++i) {
    i64 j = 0;
    for (; j + 16 <= width; j += 16) {
      vec value = load16(a + i * width + j) * load16(of_a + j) + load16(offset + j);
      if (b != nullptr) value += load16(b + i * width + j) * load16(of_b + j);
      store16(out + i * width + j, value);
    }
    for (; j < width; ++j)
      store(out + i * width + j, load(a + i * width + j) * of_a[j] + offset[j] + (b != nullptr ? load(b + i * width + j) * of_b[j] : 0.0f));
  }
}

}  // namespace
}  // namespace thaw::cpu
