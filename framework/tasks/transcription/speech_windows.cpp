#include "framework/tasks/transcription/speech_windows.h"

#include <algorithm>

#include "framework/base/error.h"

namespace thaw {

std::vector<SpeechRegion> speech_windows(const std::vector<SpeechRegion>& regions, double duration, const SpeechWindowOptions& options) {
  if (!(options.longest > 0 && options.overlap >= 0 && options.overlap < options.longest && options.padding >= 0)) {
    throw UsageError("speech windows: expected a length above 0 s, an overlap below it and padding of 0 s or more, found {}, {} and {}",
                     options.longest, options.overlap, options.padding);
  }
  std::vector<SpeechRegion> windows;
  double before = 0;
  for (const SpeechRegion& region : regions) {
    if (!(region.start >= before && region.end >= region.start)) {
      throw DataError("speech regions: expected ascending ones that do not overlap, found {} to {} s after one that ends at {} s",
                      region.start, region.end, before);
    }
    before = region.end;
    SpeechRegion padded{std::max(0.0, region.start - options.padding), std::min(duration, region.end + options.padding)};
    if (padded.start >= padded.end) continue;
    if (!windows.empty() && padded.end - windows.back().start <= options.longest) {
      windows.back().end = padded.end;
      continue;
    }
    // In the pause between two windows they do not overlap: each takes its half.
    if (!windows.empty() && padded.start < windows.back().end) padded.start = windows.back().end = (padded.start + windows.back().end) / 2;
    while (padded.end - padded.start > options.longest) {
      windows.push_back({padded.start, padded.start + options.longest});
      padded.start += options.longest - options.overlap;
    }
    windows.push_back(padded);
  }
  return windows;
}

}  // namespace thaw
