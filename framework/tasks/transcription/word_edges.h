// Words set to where the voice begins and ends: the model's attention says which words stand beside a pause, the sound says when it
// begins. openai-whisper has nothing of the kind: it is a choice of the caller's.
#pragma once

#include <vector>

#include "framework/base/time_span.h"
#include "framework/tasks/transcription/transcript.h"

namespace thaw {

// The pauses between `voiced` regions (ascending, not padded) of a recording: between the middles of two neighbouring words the
// longest one of 40 ms or more parts them. Words without a pause at an edge keep it; segments begin and end with their words.
void snap_to_voice(Transcript& transcript, const std::vector<TimeSpan>& voiced);

std::vector<TimedWord*> words_of(Transcript& transcript);  // of all segments, in order
void bound_by_words(Transcript& transcript);               // segments begin and end with their words

}  // namespace thaw
