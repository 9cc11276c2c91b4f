// What a feature extractor gives: a row of numbers for each frame.
#pragma once

#include <cstdint>
#include <vector>

namespace thaw::audio {

struct Features {
  std::vector<float> values;  // [frames, mels]
  std::int64_t frames = 0;
  std::int32_t mels = 0;
};

}  // namespace thaw::audio
