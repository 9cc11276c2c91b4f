// Text that Whisper invents for silence, found by words that are improbable, too short or too long and stand between pauses: the
// rules of openai-whisper's transcribe.py (hallucination_silence_threshold). They need the times of words.
#pragma once

#include <cstdint>
#include <vector>

#include "framework/tasks/transcription/whisper_segments.h"

namespace thaw {

bool is_anomaly(const Segment& segment);  // judged by its first eight words

struct SilenceRules {
  double threshold = 2;             // s; silence that is longer is skipped
  std::int64_t content_frames = 0;  // of the whole recording
};

// What follows from the segments of `window`, whose words have times.
struct SilenceVerdict {
  std::int64_t seek = 0;     // where decoding goes on
  bool again = false;        // from there, without any segment of this window
  std::size_t segments = 0;  // else so many of them stay
};
// `seek`: where decoding would go on without these rules. last_speech: end of the last word before the window, in s.
SilenceVerdict skip_silence(const SilenceRules& rules, const WindowSpan& window, const std::vector<Segment>& segments, std::int64_t seek,
                            bool ends_in_silence, double last_speech);

}  // namespace thaw
