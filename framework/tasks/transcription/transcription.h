// The text of a whole recording: windows of up to 30 s one after another, each beginning where the last one's text ended and told
// what was said before, as openai-whisper's transcribe.py. Windows that were cut beforehand: batched_transcription.h.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "framework/tasks/transcription/transcript.h"
#include "framework/tasks/transcription/whisper_fallback.h"
#include "framework/tasks/transcription/word_times.h"

namespace thaw {

struct TranscriptionOptions {
  WhisperOptions decoding;  // language: empty: that of the first 30 s; prompt: said before the recording; temperature: fallback's
  FallbackOptions fallback;
  std::uint64_t seed = 0;                        // of sampling
  bool condition_on_previous_text = true;        // else windows know nothing of each other
  bool carry_prompt = false;                     // decoding.prompt before every window, not the first alone
  std::vector<std::pair<double, double>> clips;  // s, ascending; only these parts; empty: all
  bool word_times = false;
  WordOptions words;
  std::optional<double> hallucination_silence_threshold;                 // s; needs word_times
  std::function<void(std::int64_t done, std::int64_t frames)> progress;  // after each window, in frames of 10 ms
};

// features: fp32 [mels, frames], log-mel of the recording and of 30 s of silence after it.
Transcript transcribe(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const at::Tensor& features,
                      const TranscriptionOptions& options);

// Frames [span.seek, span.seek + span.frames), filled up with zeros to a window: [1, mels, 3000].
at::Tensor window_of(const at::Tensor& features, const WindowSpan& span);

// What both ways of transcription check and find out first: contradictions are UsageErrors; the language of the window at `span`
// where none is given.
WhisperOptions prepared_options(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const at::Tensor& window,
                                const TranscriptionOptions& options);

}  // namespace thaw
