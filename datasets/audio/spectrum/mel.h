// Banks of triangular mel filters, computed in double precision, stored sparse: a filter weighs few neighbouring bins.
#pragma once

#include <cstdint>
#include <vector>

namespace thaw::audio {

// Filter m weighs bins first[m], first[m] + 1, … with weights[begin[m]] … weights[begin[m + 1] - 1].
struct MelFilters {
  std::vector<std::int32_t> first, begin{0};
  std::vector<float> weights;
  std::int32_t mels() const { return static_cast<std::int32_t>(first.size()); }
};

// Slaney's scale (linear below 1 kHz) and normalisation to equal area, from low_hz to high_hz, over the fft_size / 2 + 1 bins
// of a real spectrum: librosa.filters.mel, which Whisper stores, and transformers' mel_filter_bank("slaney").
MelFilters slaney_filters(int mels, int fft_size, double sample_rate, double low_hz, double high_hz);

// Kaldi's (feat/mel-computations.cc): 1127 ln(1 + f / 700), triangles in mel, peaks of 1; the Nyquist bin has no weight.
MelFilters kaldi_filters(int mels, int fft_size, double sample_rate, double low_hz, double high_hz);

}  // namespace thaw::audio
