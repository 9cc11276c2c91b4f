// Where somebody speaks in a long recording. Decided by how far mel bands rise over their own steady
// background, so that neither level nor steady noise matters; music and passing noises count as voice.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "framework/base/time_span.h"

namespace thaw::audio {

struct VoiceConfig {
  double threshold_db = 0.8;   // mean rise of the bands that begins a region; two thirds of it keep it
  double loud_share = 0.15;    // the threshold is no less than this share of what loud voice rises: breaths are no voice
  double min_voice_s = 0.1;    // shorter regions are clicks
  double min_silence_s = 0.3;  // shorter pauses belong to the region
  double padding_s = 0.1;      // kept at both sides, for soft beginnings and ends
  double background_s = 30;    // the background is what the bands fall to within so long
};

class VoiceActivity {
 public:
  // samples: mono, at sample_rate >= 8000 Hz.
  VoiceActivity(std::span<const float> samples, int sample_rate, const VoiceConfig& config = {});

  // Voiced regions, in order, apart from each other.
  std::vector<TimeSpan> regions() const;

 private:
  VoiceConfig config_;
  double seconds_;
  std::vector<float> rise_;  // a frame of 10 ms: mean of what the bands rise over their background and its own restlessness, dB
};

}  // namespace thaw::audio
