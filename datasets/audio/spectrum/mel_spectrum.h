// Log mel energies of windowed frames: what Whisper's features, Kaldi's and voice detection share. Immutable; one serves any
// number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "datasets/audio/spectrum/kernels.h"
#include "datasets/audio/spectrum/mel.h"

namespace thaw::audio {

class MelSpectrum {
 public:
  // Frames are multiplied by `window` and filled with zeros to fft_size, which is even and twice a product of 2, 3, 4 and 5
  // (else a ModelError). The result is log_scale · ln(max(energy, floor)) of each filter's energy (weighed powers).
  MelSpectrum(int fft_size, std::span<const float> window, MelFilters filters, float floor, float log_scale);

  // Frame i starts at samples[i * stride]. samples: [(frames - 1) · stride + window + slack]. out: [frames, mels].
  void operator()(const float* samples, std::ptrdiff_t stride, std::int64_t frames, float* out) const {
    run(spectrum_kernel(), samples, stride, frames, out);
  }

  void run(const SpectrumKernel& kernel, const float* samples, std::ptrdiff_t stride, std::int64_t frames, float* out) const;

  std::int32_t mels() const { return filters_.mels(); }

  static constexpr std::size_t slack = most_lanes;  // samples behind the last frame that are read, and count for nothing

 private:
  void factorize(int fft_size);

  MelFilters filters_;
  std::vector<float> window_, twiddles_, split_twiddles_;
  std::vector<std::int32_t> radices_;
  std::int32_t fft_size_, window_size_;
  float floor_, log_scale_;
};

}  // namespace thaw::audio
