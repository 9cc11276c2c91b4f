// When the words of a transcript are said, by the ears of a CTC model: what was heard is aligned with the sound, letter by letter
// (forced alignment). It is closer than the attention of a Whisper's decoder; Bain et al. 2023 (WhisperX) do the same.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "framework/tasks/transcription/ctc_emissions.h"
#include "framework/tasks/transcription/transcript.h"

namespace thaw {

struct CtcSpelling {
  std::int64_t blank = 0, delimiter = 0;
  std::function<std::vector<std::int64_t>(const std::string& word)> labels;  // what can be spelt of it
};

// Gives words new times, and segments those of their words. The old times say where a recording longer than `longest_s` is cut, between
// words that stand far apart. A word begins 60 ms before its first label is heard, since models of CTC hear a label when it is well
// under way, and ends with its last label, or, where the next word begins soon, halfway to that. Words that cannot be spelt (numbers)
// lie between their neighbours; where a passage holds more labels than frames, its words keep their times.
void align_words(Transcript& transcript, const CtcAcousticModel& model, const CtcSpelling& spelling, std::span<const float> samples,
                 double longest_s);

}  // namespace thaw
