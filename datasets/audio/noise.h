// Normal noise as a pure function of a key.
#pragma once

#include <cstdint>
#include <span>

#include "framework/base/random.h"

namespace thaw::audio {

// Adds independent normal numbers of mean 0; sample i depends on (key, i) alone.
void add_white_noise(std::span<float> samples, double standard_deviation, std::uint64_t key);

// A number in [0, 1): number `index` of the key's.
double uniform(std::uint64_t key, std::uint64_t index);

}  // namespace thaw::audio
