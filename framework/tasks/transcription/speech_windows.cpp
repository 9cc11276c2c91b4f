#include "framework/tasks/transcription/speech_windows.h"

#include <algorithm>

#include "framework/base/error.h"

namespace thaw {

std::vector<TimeSpan> speech_windows(const std::vector<TimeSpan>& regions, double duration, const SpeechWindowOptions& options) {
  if (!(options.longest > 0 && options.overlap >= 0 && options.overlap < options.longest && options.padding >= 0)) {
    throw UsageError("speech windows: expected a length above 0 s, an overlap below it and padding of 0 s or more, found {}, {} and {}",
                     options.longest, options.overlap, options.padding);
  }
  std::vector<TimeSpan> windows;
  double before = 0;
  for (const TimeSpan& region : regions) {
    if (!(region.begin_s >= before && region.end_s >= region.begin_s)) {
      throw DataError("speech regions: expected ascending ones that do not overlap, found {} to {} s after one that ends at {} s",
                      region.begin_s, region.end_s, before);
    }
    before = region.end_s;
    TimeSpan padded{std::max(0.0, region.begin_s - options.padding), std::min(duration, region.end_s + options.padding)};
    if (padded.begin_s >= padded.end_s) continue;
    if (!windows.empty() && padded.end_s - windows.back().begin_s <= options.longest) {
      windows.back().end_s = padded.end_s;
      continue;
    }
    // In the pause between two windows they do not overlap: each takes its half.
    if (!windows.empty() && padded.begin_s < windows.back().end_s)
      padded.begin_s = windows.back().end_s = (padded.begin_s + windows.back().end_s) / 2;
    while (padded.seconds() > options.longest) {
      windows.push_back({padded.begin_s, padded.begin_s + options.longest});
      padded.begin_s += options.longest - options.overlap;
    }
    windows.push_back(padded);
  }
  return windows;
}

}  // namespace thaw
