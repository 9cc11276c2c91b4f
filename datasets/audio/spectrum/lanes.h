// Vectors of a frame in each lane, for kernels.cpp alone: everything is local to that file, so that no instruction set leaks
// into another's copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace thaw::audio {
namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX2__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif
typedef float vec __attribute__((vector_size(lanes * 4)));
typedef float loose_vec __attribute__((vector_size(lanes * 4), aligned(4), may_alias));
typedef std::int32_t ivec __attribute__((vector_size(lanes * 4)));

struct complex_vec {
  vec re, im;
};

inline complex_vec operator+(complex_vec a, complex_vec b) { return {a.re + b.re, a.im + b.im}; }
inline complex_vec operator-(complex_vec a, complex_vec b) { return {a.re - b.re, a.im - b.im}; }
inline complex_vec times(complex_vec a, float re, float im) { return {a.re * re - a.im * im, a.re * im + a.im * re}; }
inline complex_vec times_minus_i(complex_vec a) { return {a.im, -a.re}; }

// One step of a transposition: block (rows i, lanes with bit `half`) changes places with block (rows i + half, lanes without).
template <int half, int... lane>
inline void swap_halves(vec& upper, vec& lower, std::integer_sequence<int, lane...>) {
  const vec a = upper, b = lower;
  upper = __builtin_shufflevector(a, b, ((lane & half) ? lanes + lane - half : lane)...);
  lower = __builtin_shufflevector(a, b, ((lane & half) ? lanes + lane : lane + half)...);
}

template <int half>
inline void transpose_step(vec (&rows)[lanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i)
    if ((i & half) == 0) swap_halves<half>(rows[i], rows[i + half], std::make_integer_sequence<int, lanes>{});
  if constexpr (half > 1) transpose_step<half / 2>(rows);
}

inline void transpose(vec (&rows)[lanes]) { transpose_step<lanes / 2>(rows); }

// Natural logarithm of positive normal numbers (Cephes' logf): x = 2^e m with m in [sqrt(1/2), sqrt 2), log m by a polynomial.
inline vec log_of(vec x) {
  const ivec bits = (ivec)x;
  ivec exponent = (bits >> 23) - 126;
  vec m = (vec)((bits & 0x007FFFFF) | 0x3F000000);  // [1/2, 1)
  const ivec small = m < 0.70710678118654752440f;
  exponent += small;  // -1 where true
  m = m + (vec)((ivec)m & small) - 1.0f;
  const vec e = __builtin_convertvector(exponent, vec), z = m * m;
  vec p = m * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const vec y = p * m * z - e * 2.12194440e-4f - z * 0.5f;
  return m + y + e * 0.693359375f;
}

}  // namespace
}  // namespace thaw::audio
