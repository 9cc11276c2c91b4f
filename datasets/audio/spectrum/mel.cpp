#include "datasets/audio/spectrum/mel.h"

#include <algorithm>
#include <cmath>

namespace thaw::audio {
namespace {

double slaney_mel(double hz) { return hz < 1000 ? hz * 3 / 200 : 15 + std::log(hz / 1000) * 27 / std::log(6.4); }
double slaney_hz(double mel) { return mel < 15 ? mel * 200 / 3 : 1000 * std::exp((mel - 15) * std::log(6.4) / 27); }
double kaldi_mel(double hz) { return 1127 * std::log1p(hz / 700); }

// The `mels` + 2 corners of triangles that are evenly spaced on the scale from `low` to `high`.
std::vector<double> corners(int mels, double low, double high) {
  std::vector<double> all;
  for (int i = 0; i < mels + 2; ++i) all.push_back(low + (high - low) * i / (mels + 1));
  return all;
}

// One triangle over the positions of all bins; a filter too narrow for any bin stays without weights.
void add_triangle(MelFilters& filters, const std::vector<double>& bins, double left, double center, double right, double peak) {
  std::int32_t first = 0;
  const std::size_t begin = filters.weights.size();
  for (std::size_t bin = 0; bin < bins.size(); ++bin) {
    const double height = std::min((bins[bin] - left) / (center - left), (right - bins[bin]) / (right - center));
    if (height <= 0) continue;
    if (filters.weights.size() == begin) first = static_cast<std::int32_t>(bin);
    filters.weights.push_back(static_cast<float>(height * peak));
  }
  filters.first.push_back(first);
  filters.begin.push_back(static_cast<std::int32_t>(filters.weights.size()));
}

}  // namespace

MelFilters slaney_filters(int mels, int fft_size, double sample_rate, double low_hz, double high_hz) {
  std::vector<double> bins;
  for (int bin = 0; bin <= fft_size / 2; ++bin) bins.push_back(bin * sample_rate / fft_size);
  std::vector<double> hz = corners(mels, slaney_mel(low_hz), slaney_mel(high_hz));
  for (double& corner : hz) corner = slaney_hz(corner);
  MelFilters filters;
  for (std::size_t m = 0; m + 2 < hz.size(); ++m) add_triangle(filters, bins, hz[m], hz[m + 1], hz[m + 2], 2 / (hz[m + 2] - hz[m]));
  return filters;
}

MelFilters kaldi_filters(int mels, int fft_size, double sample_rate, double low_hz, double high_hz) {
  std::vector<double> bins;
  for (int bin = 0; bin < fft_size / 2; ++bin) bins.push_back(kaldi_mel(bin * sample_rate / fft_size));
  const std::vector<double> mel = corners(mels, kaldi_mel(low_hz), kaldi_mel(high_hz));
  MelFilters filters;
  for (std::size_t m = 0; m + 2 < mel.size(); ++m) add_triangle(filters, bins, mel[m], mel[m + 1], mel[m + 2], 1);
  return filters;
}

}  // namespace thaw::audio
