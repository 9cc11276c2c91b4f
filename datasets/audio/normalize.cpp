#include "datasets/audio/normalize.h"

#include <cmath>

#include "datasets/audio/preprocessor_config.h"

namespace thaw::audio {

WaveformConfig WaveformConfig::read(const std::filesystem::path& model_directory) {
  const PreprocessorConfig file(model_directory, {"Wav2Vec2FeatureExtractor"});
  WaveformConfig config;
  config.sample_rate = static_cast<int>(file.integer_or("sampling_rate", config.sample_rate, 1000, 192000));
  config.do_normalize = file.boolean_or("do_normalize", config.do_normalize);
  return config;
}

void zero_mean_unit_variance(std::span<float> samples) {
  if (samples.empty()) return;
  const auto count = static_cast<double>(samples.size());
  double sum = 0, squares = 0;
  for (const float sample : samples) sum += static_cast<double>(sample);
  const double mean = sum / count;
  for (const float sample : samples) squares += (static_cast<double>(sample) - mean) * (static_cast<double>(sample) - mean);
  const double scale = 1 / std::sqrt(squares / count + 1e-7);
  for (float& sample : samples) sample = static_cast<float>((static_cast<double>(sample) - mean) * scale);
}

}  // namespace thaw::audio
