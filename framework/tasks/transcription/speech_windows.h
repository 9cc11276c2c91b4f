// Windows of up to 30 s, cut at pauses, from the regions in which somebody speaks (voice detection finds them).
#pragma once

#include <vector>

#include "framework/base/time_span.h"

namespace thaw {

struct SpeechWindowOptions {
  double longest = 30;   // s
  double padding = 0.2;  // s before and after speech, where the recording has it
  double overlap = 1;    // s that two windows share where speech without a pause is longer than a window
};

// regions: ascending, without overlap (DataError). Neighbours share a window as long as they fit; longer ones are cut.
std::vector<TimeSpan> speech_windows(const std::vector<TimeSpan>& regions, double duration, const SpeechWindowOptions& options = {});

}  // namespace thaw
