// Decoding again at a higher temperature what failed: repetition and improbable text, by the thresholds of openai-whisper's
// transcribe.py.
#pragma once

#include <optional>
#include <vector>

#include "framework/tasks/transcription/whisper_decoding.h"

namespace thaw {

struct FallbackOptions {
  std::vector<double> temperatures{0.0, 0.2, 0.4, 0.6, 0.8, 1.0};
  std::optional<double> compression_ratio_threshold = 2.4;  // above it the text repeats itself
  std::optional<double> logprob_threshold = -1.0;           // below it the text is too improbable
  std::optional<double> no_speech_threshold = 0.6;          // above it an improbable text is silence: no failure

  bool failed(const WhisperResult& result) const;
  bool is_silence(const WhisperResult& result) const;  // such a window is skipped
};

// Decodes all windows at the first temperature, those that failed at the next, and so on; the last one's result stands.
// Beams, patience and known words are for temperature 0 alone, best_of for the others.
std::vector<WhisperResult> decode_with_fallback(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary,
                                                const std::vector<DecodingWindow>& windows, const WhisperOptions& options,
                                                const FallbackOptions& fallback);

}  // namespace thaw
