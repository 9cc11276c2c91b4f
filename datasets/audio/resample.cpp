#include "datasets/audio/resample.h"

#include <soxr.h>

#include <cmath>

#include "framework/base/error.h"

namespace thaw::audio {

std::vector<float> resample(std::span<const float> samples, double from_rate, double to_rate) {
  if (from_rate == to_rate || samples.empty()) return {samples.begin(), samples.end()};
  std::vector<float> out(static_cast<std::size_t>(std::llround(static_cast<double>(samples.size()) * to_rate / from_rate)));
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  std::size_t done = 0;
  const soxr_error_t error = soxr_oneshot(from_rate, to_rate, 1, samples.data(), samples.size(), nullptr, out.data(), out.size(), &done,
                                          nullptr, &quality, nullptr);
  if (error != nullptr) throw DataError("resampling from {} to {} Hz failed: {}", from_rate, to_rate, soxr_strerror(error));
  if (done + 1 < out.size()) throw Error(ExitCode::bug, fmt::format("resampling gave {} of {} samples", done, out.size()));
  return out;  // soxr may leave the very last one at zero, where rounding up asked for it
}

}  // namespace thaw::audio
