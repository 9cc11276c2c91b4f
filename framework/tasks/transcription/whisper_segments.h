// One window's tokens cut into segments at their timestamps, as openai-whisper's transcribe.py does, and where the next window
// begins.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "framework/tasks/transcription/transcript.h"
#include "framework/tasks/transcription/whisper_decoding.h"

namespace thaw {

// Whisper's frames: 10 ms each; a window has 3000 of them, and two make a step of its timestamps.
constexpr std::int64_t window_frames = 3000, frames_per_second = 100, frames_per_timestamp = 2;
constexpr double seconds_per_timestamp = 0.02;
inline double seconds_of(std::int64_t frames) { return static_cast<double>(frames * 160) / 16000; }
inline std::int64_t frame_at(double seconds) { return static_cast<std::int64_t>(std::nearbyint(seconds * frames_per_second)); }

// What is cut out of a recording and decoded at once.
struct WindowSpan {
  std::int64_t seek = 0;    // its first frame
  std::int64_t frames = 0;  // at most window_frames; the rest of the window is filled up
};

struct WindowSegments {
  std::vector<Segment> segments;
  std::int64_t frames = 0;       // those that are done: the next window begins after them
  std::int64_t unfinished = 0;   // the last tokens, of a segment that has begun and not ended, which are in none of the segments
  bool ends_in_silence = false;  // the last timestamp stands alone: nothing is said after it
};

WindowSegments cut_segments(const WhisperVocabulary& vocabulary, const WhisperResult& result, const WindowSpan& window);

// A segment of the tokens [first, last) of a result.
Segment make_segment(const WhisperVocabulary& vocabulary, const WhisperResult& result, const WindowSpan& window, std::size_t first,
                     std::size_t last);

// Segments without duration or text keep their place and lose their tokens and words.
void clear_empty(std::vector<Segment>& segments);

}  // namespace thaw
