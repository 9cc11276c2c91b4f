// The text of a recording whose windows were cut beforehand, at pauses (speech_windows.h): many are decoded at once, and none knows
// what another said. Faster than one after another, for recordings with a voice detection that can be relied upon. Where a window's
// text ends before the window does, the rest is decoded as a window of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "framework/tasks/transcription/speech_windows.h"
#include "framework/tasks/transcription/transcription.h"

namespace thaw {

// features: fp32 [mels, frames], log-mel of the recording and of 30 s of silence after it. windows: ascending, of up to 30 s
// (DataError); what two of them share is said once, cut in its middle. Of the options, those that need one window after another
// (condition_on_previous_text, clips, hallucination_silence_threshold) do nothing here.
// `batch`: so many windows are encoded and decoded together. The text does not depend on it.
Transcript transcribe_windows(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const at::Tensor& features,
                              const std::vector<TimeSpan>& windows, std::int64_t batch, const TranscriptionOptions& options);

}  // namespace thaw
