// Samples as wav2vec2 and its kin expect them: transformers' Wav2Vec2FeatureExtractor, without padding.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

namespace thaw::audio {

struct WaveformConfig {
  int sample_rate = 16000;
  bool do_normalize = true;  // to zero mean and unit variance

  // From preprocessor_config.json or processor_config.json; the extractor's own defaults for what they do not say.
  static WaveformConfig read(const std::filesystem::path& model_directory);
};

// (x - mean) / sqrt(variance + 1e-7), over one recording. In place.
void zero_mean_unit_variance(std::span<float> samples);

}  // namespace thaw::audio
