#include "datasets/audio/fbank.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#include "datasets/audio/noise.h"
#include "datasets/audio/preprocessor_config.h"
#include "framework/base/error.h"

namespace thaw::audio {
namespace {

std::int64_t samples_of(double milliseconds, int sample_rate) { return static_cast<std::int64_t>(sample_rate * 0.001 * milliseconds); }

std::vector<float> povey_window(std::int64_t size) {
  std::vector<float> window;
  for (std::int64_t i = 0; i < size; ++i) {
    const double turns = static_cast<double>(i) / static_cast<double>(size - 1);
    window.push_back(static_cast<float>(std::pow(0.5 - 0.5 * std::cos(2 * std::numbers::pi * turns), 0.85)));
  }
  return window;
}

MelFilters filters_of(const FbankConfig& config, int fft_size) {
  const double nyquist = config.sample_rate / 2.0, high = config.high_hz > 0 ? config.high_hz : nyquist + config.high_hz;
  if (config.low_hz < 0 || high > nyquist || config.low_hz >= high) {
    throw ModelError("fbank: expected 0 <= low_hz < high_hz <= {}, found {} and {}", nyquist, config.low_hz, high);
  }
  return kaldi_filters(config.mels, fft_size, config.sample_rate, config.low_hz, high);
}

// Position `at` of the signal, mirrored at both its ends, which are repeated.
std::int64_t mirrored(std::int64_t at, std::int64_t size) {
  while (at < 0 || at >= size) at = at < 0 ? -1 - at : 2 * size - 1 - at;
  return at;
}

void prepare(std::span<float> frame, const FbankConfig& config) {
  if (config.remove_dc_offset) {
    double sum = 0;
    for (const float sample : frame) sum += static_cast<double>(sample);
    const float mean = static_cast<float>(sum / static_cast<double>(frame.size()));
    for (float& sample : frame) sample -= mean;
  }
  if (config.preemphasis != 0) {
    const float coefficient = static_cast<float>(config.preemphasis);
    for (std::size_t i = frame.size() - 1; i > 0; --i) frame[i] -= coefficient * frame[i - 1];
    frame[0] -= coefficient * frame[0];
  }
}

}  // namespace

FbankConfig FbankConfig::read(const std::filesystem::path& model_directory) {
  const PreprocessorConfig file(model_directory, {"Speech2TextFeatureExtractor"});
  FbankConfig config;
  config.mels = static_cast<int>(file.integer_or(file.has("num_mel_bins") ? "num_mel_bins" : "feature_size", config.mels, 1, 1024));
  config.sample_rate = static_cast<int>(file.integer_or("sampling_rate", config.sample_rate, 1000, 192000));
  config.dither = file.number_or("dither", config.dither, 0, 32768);
  return config;
}

Fbank::Fbank(const FbankConfig& config)
    : config_(config),
      frame_(std::max<std::int64_t>(samples_of(config.frame_ms, config.sample_rate), 2)),
      hop_(std::max<std::int64_t>(samples_of(config.hop_ms, config.sample_rate), 1)),
      spectrum_(static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(frame_))), povey_window(frame_),
                filters_of(config, static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(frame_)))),
                std::numeric_limits<float>::epsilon(), 1) {}

Features Fbank::operator()(std::span<const float> samples) const {
  const auto size = static_cast<std::int64_t>(samples.size());
  Features features;
  features.mels = config_.mels;
  if (config_.snip_edges) features.frames = size < frame_ ? 0 : 1 + (size - frame_) / hop_;
  else features.frames = (size + hop_ / 2) / hop_;
  features.values.resize(static_cast<std::size_t>(features.frames * features.mels));

  constexpr std::int64_t block = 64;  // frames that stay in the cache from here to the transform
  std::vector<float> prepared(static_cast<std::size_t>(block * frame_) + MelSpectrum::slack);
  for (std::int64_t done = 0; done < features.frames; done += block) {
    const std::int64_t count = std::min(block, features.frames - done);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t number = done + i, begin = number * hop_ + (config_.snip_edges ? 0 : hop_ / 2 - frame_ / 2);
      const std::span<float> frame(prepared.data() + i * frame_, static_cast<std::size_t>(frame_));
      for (std::int64_t n = 0; n < frame_; ++n) {
        const std::int64_t at = config_.snip_edges ? begin + n : mirrored(begin + n, size);
        frame[static_cast<std::size_t>(n)] = samples[static_cast<std::size_t>(at)] * config_.scale;
      }
      if (config_.dither > 0) add_white_noise(frame, config_.dither, random_key(config_.dither_key, number));
      prepare(frame, config_);
    }
    spectrum_(prepared.data(), frame_, count, features.values.data() + done * features.mels);
  }
  return features;
}

}  // namespace thaw::audio
