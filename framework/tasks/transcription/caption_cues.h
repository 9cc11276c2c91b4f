// How a transcript is cut into the texts that a player shows one after another: openai-whisper's SubtitlesWriter
// (whisper/utils.py: iterate_result).
#pragma once

#include <string>
#include <vector>

#include "framework/tasks/transcription/captions.h"

namespace thaw {

// One text on the screen, and when.
struct Cue {
  std::int64_t start = 0, end = 0;  // ms
  std::string text;                 // lines by \n, none of them empty; "-->" is not in it
};

// `escaped`: & and < of the words as WebVTT writes them.
std::vector<Cue> caption_cues(const Transcript& transcript, const CaptionOptions& options, bool escaped);

std::int64_t milliseconds(double seconds);  // to the nearest, halves to even; not below 0

}  // namespace thaw
