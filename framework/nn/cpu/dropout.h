// Dropout's factors from Philox4x32-10 (framework/base/random.h), for the kernels. Included by kernels.cpp alone.
#pragma once

#include "framework/nn/cpu/kernels.h"
#include "framework/nn/cpu/lanes.h"

namespace thaw::cpu {
namespace {

constexpr int counters_at_once = 16;

// Sixteen counters' blocks: 8 lanes of 16 bits each, counter after counter.
inline void philox16(std::uint64_t key, const std::uint64_t* counters, std::uint64_t* out) {
  wide_vec c0[2], c1[2], c2[2]{}, c3[2]{};
  for (int half = 0; half < 2; ++half) {
    c0[half] = *reinterpret_cast<const wide_vec*>(counters + 8 * half);
    c1[half] = c0[half] >> 32;
  }
  // Only the low 32 bits of a lane count; what stands above them is carried along and dropped at the end.
  const wide_vec m0 = c2[0] + 0xD2511F53u, m1 = c2[0] + 0xCD9E8D57u;
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int half = 0; half < 2; ++half) {
      const wide_vec p0 = multiply_low(c0[half], m0), p1 = multiply_low(c2[half], m1);
      c0[half] = (p1 >> 32) ^ c1[half] ^ k0;
      c2[half] = (p0 >> 32) ^ c3[half] ^ k1;
      c1[half] = p1;
      c3[half] = p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int half = 0; half < 2; ++half) {
    const wide_vec first = (c0[half] & 0xFFFFFFFFu) | (c1[half] << 32), second = (c2[half] & 0xFFFFFFFFu) | (c3[half] << 32);
    wide_vec* const to = reinterpret_cast<wide_vec*>(out + 16 * half);
    to[0] = __builtin_shufflevector(first, second, 0, 8, 1, 9, 2, 10, 3, 11);
    to[1] = __builtin_shufflevector(first, second, 4, 12, 5, 13, 6, 14, 7, 15);
  }
}

// The factors (0 or scale) that `count` counters in a row from `first` draw, for `rows` rows whose counters begin `step`
// apart: row r's 8 · count factors stand at out + r · ld. Counters of several short rows are drawn together.
inline void factors(const DropoutArgs& d, std::uint64_t first, i64 count, i64 rows, std::uint64_t step, float* out, i64 ld) {
  alignas(64) std::uint64_t counters[counters_at_once] = {}, words[2 * counters_at_once];
  float* target[counters_at_once];
  typedef bf16_t lanes __attribute__((vector_size(16), aligned(8), may_alias));
  typedef std::int32_t wide __attribute__((vector_size(32)));
  typedef float factor __attribute__((vector_size(32), aligned(4), may_alias));
  const wide threshold = wide{} + static_cast<std::int32_t>(d.threshold);
  const factor kept = factor{} + d.scale, dropped{};
  int filled = 0;
  const auto draw = [&] {
    philox16(d.key, counters, words);
    for (int i = 0; i < filled; ++i) {
      const wide drawn = __builtin_convertvector(*reinterpret_cast<const lanes*>(words + 2 * i), wide);
      *reinterpret_cast<factor*>(target[i]) = drawn < threshold ? dropped : kept;
    }
    filled = 0;
  };
  for (i64 row = 0; row < rows; ++row)
    for (i64 k = 0; k < count; ++k) {
      counters[filled] = first + static_cast<std::uint64_t>(row) * step + static_cast<std::uint64_t>(k);
      target[filled] = out + row * ld + 8 * k;
      if (++filled == counters_at_once) draw();
    }
  if (filled > 0) draw();
}

}  // namespace
}  // namespace thaw::cpu
