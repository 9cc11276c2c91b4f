// IEEE half precision (binary16) and back, rounded to nearest, ties to even, as numpy does.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace thaw {

inline std::uint16_t half_of(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return static_cast<std::uint16_t>(sign | 0x7E00);   // not a number
  if (magnitude >= 0x477FF000) return static_cast<std::uint16_t>(sign | 0x7C00);  // 65,520 and more round to infinity
  if (magnitude < 0x38800000)                                                     // below the smallest normal number, 2^-14
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(std::nearbyint(std::abs(value) * 0x1p24f)));
  const std::uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
  return static_cast<std::uint16_t>(sign | (rounded - 0x38000000) >> 13);
}

inline float float_of(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, magnitude = half & 0x7FFFu;
  if (magnitude < 0x400) return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-24f));
  const std::uint32_t exponent = magnitude >= 0x7C00 ? 0x70000000u : 0x38000000u;  // infinity stays infinity
  return std::bit_cast<float>(sign | ((magnitude << 13) + exponent));
}

}  // namespace thaw
