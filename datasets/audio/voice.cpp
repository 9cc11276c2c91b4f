#include "datasets/audio/voice.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "datasets/audio/spectrum/mel_spectrum.h"
#include "framework/base/error.h"

namespace thaw::audio {
namespace {

constexpr int frames_a_second = 100;
constexpr int bands = 24;
constexpr float restlessness_db = 4;  // what smoothed steady noise seldom exceeds over its own tenth percentile
constexpr float most_range_db = 80;   // what lies so far below the recording's loudest band counts as silence

std::vector<float> hann(std::int64_t size) {
  std::vector<float> window;
  for (std::int64_t i = 0; i < size; ++i) {
    const double turns = static_cast<double>(i) / static_cast<double>(size);
    window.push_back(static_cast<float>(0.5 - 0.5 * std::cos(2 * std::numbers::pi * turns)));
  }
  return window;
}

// Means over 2 · reach + 1 values, fewer at the ends; of one column of [frames, columns].
std::vector<float> smoothed(const float* values, std::int64_t frames, std::int64_t columns, std::int64_t reach) {
  std::vector<double> sums(static_cast<std::size_t>(frames) + 1);
  for (std::int64_t i = 0; i < frames; ++i)
    sums[static_cast<std::size_t>(i) + 1] = sums[static_cast<std::size_t>(i)] + static_cast<double>(values[i * columns]);
  std::vector<float> means;
  for (std::int64_t i = 0; i < frames; ++i) {
    const std::int64_t begin = std::max<std::int64_t>(i - reach, 0), end = std::min(i + reach + 1, frames);
    means.push_back(static_cast<float>((sums[static_cast<std::size_t>(end)] - sums[static_cast<std::size_t>(begin)]) /
                                       static_cast<double>(end - begin)));
  }
  return means;
}

// The tenth percentile around each second, for its frames.
std::vector<float> background(const std::vector<float>& band, double background_s) {
  const auto frames = static_cast<std::int64_t>(band.size()), reach = static_cast<std::int64_t>(background_s * frames_a_second / 2);
  std::vector<float> floor, window;
  for (std::int64_t second = 0; second < frames; second += frames_a_second) {
    const std::int64_t middle = second + frames_a_second / 2;
    window.assign(band.begin() + std::clamp<std::int64_t>(middle - reach, 0, second),
                  band.begin() + std::min(std::max(middle + reach, second + 1), frames));
    const auto tenth = window.begin() + static_cast<std::int64_t>(window.size() / 10);
    std::nth_element(window.begin(), tenth, window.end());
    floor.insert(floor.end(), static_cast<std::size_t>(std::min<std::int64_t>(frames_a_second, frames - second)), *tenth);
  }
  return floor;
}

// [frames, bands], in dB.
std::vector<float> band_levels(std::span<const float> samples, int sample_rate) {
  const std::int64_t hop = sample_rate / frames_a_second, window = sample_rate / 40;
  const auto size = static_cast<std::int64_t>(samples.size()), frames = (size + hop - 1) / hop;
  const int fft_size = static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(window)));
  const MelSpectrum spectrum(fft_size, hann(window), kaldi_filters(bands, fft_size, sample_rate, 100, std::min(7000.0, sample_rate * 0.45)),
                             1e-20f, static_cast<float>(10 * std::numbers::log10e));
  std::vector<float> all(static_cast<std::size_t>(frames * hop + window) + MelSpectrum::slack);
  std::copy(samples.begin(), samples.end(), all.begin() + (window - hop) / 2);  // a frame is centred on its hop
  std::vector<float> levels(static_cast<std::size_t>(frames * bands));
  spectrum(all.data(), hop, frames, levels.data());
  return levels;
}

double seconds_of(std::int64_t frame) { return static_cast<double>(frame) / frames_a_second; }

}  // namespace

VoiceActivity::VoiceActivity(std::span<const float> samples, int sample_rate, const VoiceConfig& config)
    : config_(config), seconds_(static_cast<double>(samples.size()) / sample_rate) {
  if (sample_rate < 8000) throw DataError("voice detection: expected a sample rate of 8000 Hz or more, found {}", sample_rate);
  std::vector<float> levels = band_levels(samples, sample_rate);
  const auto frames = static_cast<std::int64_t>(levels.size()) / bands;
  rise_.resize(static_cast<std::size_t>(frames));
  if (frames == 0) return;
  const float lowest = *std::max_element(levels.begin(), levels.end()) - most_range_db;
  for (float& level : levels) level = std::max(level, lowest);
  for (std::int64_t band = 0; band < bands; ++band) {
    const std::vector<float> level = smoothed(levels.data() + band, frames, bands, 2), floor = background(level, config.background_s);
    for (std::size_t i = 0; i < rise_.size(); ++i) rise_[i] += std::max(level[i] - floor[i] - restlessness_db, 0.0f) / bands;
  }
}

std::vector<TimeSpan> VoiceActivity::regions() const {
  if (rise_.empty()) return {};
  std::vector<float> sorted = rise_;
  const auto loud = sorted.begin() + static_cast<std::int64_t>(sorted.size() * 95 / 100);
  std::nth_element(sorted.begin(), loud, sorted.end());
  const double begins = std::max(config_.threshold_db, config_.loud_share * static_cast<double>(*loud)), keeps = begins * 2 / 3;
  // Frames where it is above `keeps`, if somewhere among them it is above `begins`; pauses that are too short are bridged.
  std::vector<TimeSpan> found;
  const auto frames = static_cast<std::int64_t>(rise_.size());
  for (std::int64_t begin = 0; begin < frames; ++begin) {
    std::int64_t end = begin;
    bool voice = false;
    for (; end < frames && static_cast<double>(rise_[static_cast<std::size_t>(end)]) >= keeps; ++end)
      voice |= static_cast<double>(rise_[static_cast<std::size_t>(end)]) >= begins;
    if (voice) {
      if (!found.empty() && seconds_of(begin) - found.back().end_s < config_.min_silence_s) found.back().end_s = seconds_of(end);
      else found.push_back({seconds_of(begin), seconds_of(end)});
    }
    begin = std::max(begin, end);
  }
  std::erase_if(found, [&](const TimeSpan& region) { return region.seconds() < config_.min_voice_s; });
  std::vector<TimeSpan> padded;
  for (const TimeSpan& region : found) {
    const double begin = std::max(region.begin_s - config_.padding_s, 0.0), end = std::min(region.end_s + config_.padding_s, seconds_);
    if (!padded.empty() && begin <= padded.back().end_s) padded.back().end_s = end;
    else padded.push_back({begin, end});
  }
  return padded;
}

}  // namespace thaw::audio
