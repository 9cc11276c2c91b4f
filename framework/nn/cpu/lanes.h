// Sixteen numbers at once, for the kernels. Included by kernels.cpp alone, which is compiled once for each instruction set:
// everything here is local to that file, so that no instruction set leaks into another's copy.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <utility>

namespace thaw::cpu {
namespace {

using i64 = std::int64_t;
using bf16_t = std::uint16_t;
typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));
typedef std::int32_t ivec __attribute__((vector_size(64), aligned(4), may_alias));
typedef std::uint32_t uvec __attribute__((vector_size(64), aligned(4), may_alias));
typedef bf16_t half_vec __attribute__((vector_size(32), aligned(2), may_alias));
typedef std::uint64_t wide_vec __attribute__((vector_size(64), aligned(8), may_alias));

inline float load(const float* p) { return *p; }
inline float load(const bf16_t* p) { return __builtin_bit_cast(float, static_cast<std::uint32_t>(*p) << 16); }
inline void store(float* p, float value) { *p = value; }
inline void store(bf16_t* p, float value) {  // to nearest, ties to even
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  *p = value != value ? bf16_t{0x7FC0} : static_cast<bf16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

inline vec load16(const float* p) { return *reinterpret_cast<const vec*>(p); }
inline vec load16(const bf16_t* p) { return (vec)(__builtin_convertvector(*reinterpret_cast<const half_vec*>(p), uvec) << 16); }
inline void store16(float* p, vec value) { *reinterpret_cast<vec*>(p) = value; }
inline void store16(bf16_t* p, vec value) {
  const uvec bits = (uvec)value, rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const uvec nan = bits - bits + 0x7FC0u;
  *reinterpret_cast<half_vec*>(p) = __builtin_convertvector(value == value ? rounded : nan, half_vec);
}

inline float sum_of_lanes(vec v) {
  float sum = 0;
  for (int i = 0; i < 16; ++i) sum += v[i];
  return sum;
}

// exp for x ≤ 0: 2^n · e^r by a polynomial (Cephes' expf), relative error below 2e-7.
inline vec exp16(vec x) {
  const vec low = x - x - 87.0f;
  x = x > low ? x : low;
  const vec t = x * 1.44269504088896341f;
  const ivec n = __builtin_convertvector(t - 0.5f, ivec);  // x ≤ 0: rounds to nearest
  const vec f = __builtin_convertvector(n, vec);
  const vec r = (x - f * 0.693359375f) + f * 2.12194440e-4f;
  vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const ivec power = (n + 127) << 23;
  return p * (vec)power;
}

// Lane `lane` of two rows that lie `step` apart, once their squares of `step` × `step` off the diagonal have changed places:
// from the first row (0 … 15) or the second (16 … 31).
template <int step>
constexpr int first_after(int lane) {
  return (lane & step) != 0 ? lane - step + 16 : lane;
}
template <int step>
constexpr int second_after(int lane) {
  return (lane & step) != 0 ? lane + 16 : lane + step;
}

template <int step, int... lane>
inline void exchange(vec (&rows)[16], std::integer_sequence<int, lane...>) {
  for (int i = 0; i < 16; ++i) {
    if ((i & step) != 0) continue;
    const vec first = rows[i], second = rows[i + step];
    rows[i] = __builtin_shufflevector(first, second, first_after<step>(lane)...);
    rows[i + step] = __builtin_shufflevector(first, second, second_after<step>(lane)...);
  }
}

// Sixteen rows become columns.
inline void transpose16(vec (&rows)[16]) {
  constexpr std::make_integer_sequence<int, 16> lanes;
  exchange<8>(rows, lanes);
  exchange<4>(rows, lanes);
  exchange<2>(rows, lanes);
  exchange<1>(rows, lanes);
}

// Products of the low halves of eight 64-bit lanes, whole.
inline wide_vec multiply_low(wide_vec a, wide_vec b) {
#if defined(__AVX512F__)
  return (wide_vec)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  union Halves {
    wide_vec whole;
    __m256i half[2];
  } x{a}, y{b};
  for (int i = 0; i < 2; ++i) x.half[i] = _mm256_mul_epu32(x.half[i], y.half[i]);
  return x.whole;
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

}  // namespace
}  // namespace thaw::cpu
