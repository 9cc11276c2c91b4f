// Kaldi's log mel filter bank (feat/feature-fbank.cc), as kaldi-native-fbank and torchaudio's compliance module compute it.
// Immutable; one serves any number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "datasets/audio/features.h"
#include "datasets/audio/spectrum/mel_spectrum.h"

namespace thaw::audio {

struct FbankConfig {
  int mels = 80;  // Kaldi's own default is 23
  int sample_rate = 16000;
  double frame_ms = 25, hop_ms = 10;
  double low_hz = 20, high_hz = 0;  // 0 or less: so far below half the sample rate
  double preemphasis = 0.97;
  bool remove_dc_offset = true;
  bool snip_edges = true;        // only whole frames; otherwise one every hop, the signal mirrored at its ends
  float scale = 32768;           // Kaldi's samples are 16-bit integers; models that were fed with [-1, 1] want 1
  double dither = 0;             // standard deviation, in units of the scaled samples, of the normal noise that is added
  std::uint64_t dither_key = 0;  // random_key(seed, epoch, row): the noise is a pure function of it

  // From preprocessor_config.json or processor_config.json (Speech2TextFeatureExtractor): num_mel_bins or feature_size,
  // sampling_rate, dither.
  static FbankConfig read(const std::filesystem::path& model_directory);
};

class Fbank {
 public:
  explicit Fbank(const FbankConfig& config = {});

  // samples: mono, at the config's rate, in [-1, 1], finite; fewer than one frame give no row. Natural logarithms.
  Features operator()(std::span<const float> samples) const;

 private:
  FbankConfig config_;
  std::int64_t frame_, hop_;  // samples
  MelSpectrum spectrum_;
};

}  // namespace thaw::audio
