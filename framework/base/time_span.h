// A stretch of a recording: where somebody speaks (datasets/audio/voice.h), or what is transcribed at once.
#pragma once

namespace thaw {

struct TimeSpan {
  double begin_s = 0, end_s = 0;
  double seconds() const { return end_s - begin_s; }
};

}  // namespace thaw
