// Where somebody speaks in a long recording, and where it is best cut. Decided by how far mel bands rise over their own steady
// background, so that neither level nor steady noise matters; music and passing noises count as voice.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace thaw::audio {

struct VoiceConfig {
  double threshold_db = 0.8;   // mean rise of the bands that begins a region; two thirds of it keep it
  double loud_share = 0.15;    // the threshold is no less than this share of what loud voice rises: breaths are no voice
  double min_voice_s = 0.1;    // shorter regions are clicks
  double min_silence_s = 0.3;  // shorter pauses belong to the region
  double padding_s = 0.1;      // kept at both sides, for soft beginnings and ends
  double background_s = 30;    // the background is what the bands fall to within so long
};

struct Region {
  double begin_s = 0, end_s = 0;
  double seconds() const { return end_s - begin_s; }
};

// What both decisions rest on, a value each 10 ms.
class VoiceActivity {
 public:
  // samples: mono, at sample_rate >= 8000 Hz.
  VoiceActivity(std::span<const float> samples, int sample_rate, const VoiceConfig& config = {});

  // Voiced regions, in order, apart from each other.
  std::vector<Region> regions() const;

  // Windows of at most max_s that contain every voiced region, begin and end with voice (padded), and hold as much as fits. One
  // that must end within speech ends at the quietest place of its second half. max_s >= 1, else a DataError.
  std::vector<Region> windows(double max_s) const;

 private:
  double quietest(double begin_s, double end_s) const;

  VoiceConfig config_;
  double seconds_;
  std::vector<float> rise_;  // a frame: mean of what the bands rise over their background and its own restlessness, dB
};

}  // namespace thaw::audio
