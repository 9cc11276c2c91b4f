// How many frames a model that hears makes of so many samples: for batching, for the CTC loss, and for when a frame is heard.
#pragma once

#include <cstdint>
#include <vector>

#include "framework/base/json.h"

namespace thaw {

struct FrameLengths {
  std::vector<std::int64_t> kernels, strides;              // of the convolutions, lowest first
  std::int64_t frames_of(std::int64_t samples) const;      // 0: the row is too short
  std::int64_t samples_needed(std::int64_t frames) const;  // the fewest that give so many: 400 give wav2vec 2.0 one
};

// By config.json's model_type: of wav2vec 2.0, HuBERT and WavLM what their convolutions leave; of Whisper, which hears windows, those
// frames of 20 ms that are wholly the recording's.
FrameLengths frame_lengths(const JsonView& config);

}  // namespace thaw
