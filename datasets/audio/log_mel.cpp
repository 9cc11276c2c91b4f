#include "datasets/audio/log_mel.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "datasets/audio/preprocessor_config.h"

namespace thaw::audio {
namespace {

constexpr float energy_floor = 1e-10f;

std::vector<float> periodic_hann(int size) {
  std::vector<float> window;
  for (int i = 0; i < size; ++i) window.push_back(static_cast<float>(0.5 - 0.5 * std::cos(2 * std::numbers::pi * i / size)));
  return window;
}

// Where position `at` of the signal that is mirrored at both its ends (which are not repeated) lies in it.
std::int64_t reflected(std::int64_t at, std::int64_t size) {
  if (size == 1) return 0;
  const std::int64_t period = 2 * (size - 1);
  at = (at % period + period) % period;
  return at < size ? at : period - at;
}

// The samples, zeros up to `length`, and a reflected margin at both ends.
std::vector<float> with_margins(std::span<const float> samples, std::int64_t length, std::int64_t margin) {
  const std::int64_t given = std::min(static_cast<std::int64_t>(samples.size()), length);
  std::vector<float> all(static_cast<std::size_t>(length + 2 * margin) + MelSpectrum::slack);
  std::copy_n(samples.begin(), given, all.begin() + margin);
  for (std::int64_t i = 1; i <= margin; ++i) {
    const std::int64_t before = reflected(-i, length), behind = reflected(length - 1 + i, length);
    all[static_cast<std::size_t>(margin - i)] = before < given ? samples[static_cast<std::size_t>(before)] : 0.0f;
    all[static_cast<std::size_t>(margin + length - 1 + i)] = behind < given ? samples[static_cast<std::size_t>(behind)] : 0.0f;
  }
  return all;
}

// In lanes, so that the compiler makes vectors of it.
float largest(const float* values, std::size_t count) {
  float best[16];
  std::fill_n(best, 16, -INFINITY);
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (std::size_t lane = 0; lane < 16; ++lane) best[lane] = values[i + lane] > best[lane] ? values[i + lane] : best[lane];
  for (; i < count; ++i) best[0] = std::max(best[0], values[i]);
  return *std::max_element(best, best + 16);
}

void compress(float* values, std::size_t count, float least) {
  for (std::size_t i = 0; i < count; ++i) values[i] = ((values[i] > least ? values[i] : least) + 4.0f) * 0.25f;
}

}  // namespace

LogMelConfig LogMelConfig::read(const std::filesystem::path& model_directory) {
  const PreprocessorConfig file(model_directory, {"WhisperFeatureExtractor"});
  LogMelConfig config;
  config.mels = static_cast<int>(file.integer_or("feature_size", config.mels, 1, 1024));
  config.sample_rate = static_cast<int>(file.integer_or("sampling_rate", config.sample_rate, 1000, 192000));
  config.fft_size = static_cast<int>(file.integer_or("n_fft", config.fft_size, 16, 8192));
  config.hop = static_cast<int>(file.integer_or("hop_length", config.hop, 1, 8192));
  config.chunk_s = static_cast<int>(file.integer_or("chunk_length", config.chunk_s, 1, 600));
  return config;
}

LogMel::LogMel(const LogMelConfig& config)
    : config_(config),
      spectrum_(config.fft_size, periodic_hann(config.fft_size), slaney_filters(config.mels, config.fft_size, config.sample_rate, 0, 8000),
                energy_floor, static_cast<float>(std::numbers::log10e)) {}

Features LogMel::operator()(std::span<const float> samples, Length length) const {
  const std::int64_t total = length == Length::chunk ? config_.chunk_samples() : static_cast<std::int64_t>(samples.size());
  Features features;
  features.mels = config_.mels;
  features.frames = total / config_.hop;
  if (features.frames == 0) return features;
  const std::int64_t margin = config_.fft_size / 2;
  const std::vector<float> all = with_margins(samples, total, margin);
  // Frames of padding alone, from the first that starts behind the samples to before what the end's margin mirrors, are at the floor.
  const std::int64_t given = static_cast<std::int64_t>(samples.size());
  const bool padded = given + 2 * config_.fft_size < total;
  const std::int64_t heard = padded ? std::min((given + margin + config_.hop - 1) / config_.hop, features.frames) : features.frames;
  features.values.assign(static_cast<std::size_t>(features.frames * features.mels), -10.0f);
  spectrum_(all.data(), config_.hop, heard, features.values.data());
  const float maximum = largest(features.values.data(), features.values.size());
  compress(features.values.data(), features.values.size(), maximum - 8.0f);
  return features;
}

}  // namespace thaw::audio
