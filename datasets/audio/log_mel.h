// Whisper's features: the log-mel spectrogram of openai-whisper's audio.py and of transformers' WhisperFeatureExtractor, equal to
// both within 1e-4 (both round their STFT to fp32, as we do). Immutable; one serves any number of threads.
#pragma once

#include <filesystem>
#include <optional>
#include <span>

#include "datasets/audio/features.h"
#include "datasets/audio/spectrum/mel_spectrum.h"

namespace thaw::audio {

struct LogMelConfig {
  int mels = 80;  // 128 for large-v3
  int sample_rate = 16000;
  int fft_size = 400;  // also the (periodic Hann) window's
  int hop = 160;
  int chunk_s = 30;

  // From preprocessor_config.json or processor_config.json; Whisper's own values for what they do not say.
  static LogMelConfig read(const std::filesystem::path& model_directory);
  std::int64_t chunk_samples() const { return std::int64_t{chunk_s} * sample_rate; }
};

class LogMel {
 public:
  enum class Length {
    chunk,   // silence behind, or the end cut off, to chunk_s: what Whisper's encoder expects
    actual,  // as many frames as there are whole hops of samples
  };

  explicit LogMel(const LogMelConfig& config = {});

  // samples: mono, at the config's rate, in [-1, 1], finite; any number. Values are (max(log10 energy, maximum - 8) + 4) / 4.
  // Both ends are continued by reflection; fewer samples than half a window are reflected again and again.
  Features operator()(std::span<const float> samples, Length length = Length::chunk) const;

  const LogMelConfig& config() const { return config_; }

 private:
  LogMelConfig config_;
  MelSpectrum spectrum_;
};

}  // namespace thaw::audio
