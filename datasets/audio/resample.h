// Another sample rate, by soxr at its high quality (a linear-phase filter of 20 bits' precision, pass band to 0.91 of Nyquist).
#pragma once

#include <span>
#include <vector>

namespace thaw::audio {

// round(samples · to / from) samples; delay is compensated. Rates are positive, and need not be whole numbers.
std::vector<float> resample(std::span<const float> samples, double from_rate, double to_rate);

}  // namespace thaw::audio
