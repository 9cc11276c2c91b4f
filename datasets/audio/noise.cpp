#include "datasets/audio/noise.h"

#include <cmath>
#include <numbers>

namespace thaw::audio {

double uniform(std::uint64_t key, std::uint64_t index) {
  const auto bits = philox(key, index);
  return static_cast<double>((static_cast<std::uint64_t>(bits[0]) << 32 | bits[1]) >> 11) * 0x1p-53;
}

void add_white_noise(std::span<float> samples, double standard_deviation, std::uint64_t key) {
  for (std::size_t i = 0; i < samples.size(); i += 4) {
    const auto bits = philox(key, i / 4);
    for (std::size_t pair = 0; pair < 4 && i + pair < samples.size(); pair += 2) {  // Box and Muller's: two uniform, two normal
      const double radius = standard_deviation * std::sqrt(-2 * std::log((bits[pair] + 1.0) * 0x1p-32));
      const double angle = 2 * std::numbers::pi * bits[pair + 1] * 0x1p-32;
      samples[i + pair] += static_cast<float>(radius * std::cos(angle));
      if (i + pair + 1 < samples.size()) samples[i + pair + 1] += static_cast<float>(radius * std::sin(angle));
    }
  }
}

}  // namespace thaw::audio
