// From encoded windows of 30 s to their texts: as openai-whisper's DecodingTask (whisper/decoding.py). Windows are decoded
// together, and each as if it were alone. What follows where a text fails is in whisper_fallback.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "framework/tasks/transcription/speech_decoder.h"
#include "framework/tasks/transcription/whisper_vocabulary.h"

namespace thaw {

struct WhisperOptions {
  std::string language;        // a code such as "en"; empty: each window's most probable one
  bool translate = false;      // into English
  double temperature = 0;      // 0: the most probable token
  std::int64_t beam_size = 0;  // above 0: beam search
  double patience = 1;         // of beam search
  // Of beam search: whether a word, as it was written, is one; and the log-probability that it costs a text where it is none.
  std::function<bool(const std::string& word, bool whole)> known_word = nullptr;  // not whole: whether one begins so
  double unknown_word = 0;
  std::int64_t best_of = 1;              // texts that are sampled, at a temperature above 0
  std::optional<double> length_penalty;  // in [0, 1]; none: log-probabilities are divided by the length
  std::int64_t max_new_tokens = 0;       // 0: half of the decoder's
  TokenIds prompt, prefix;               // said before this window; this window's beginning
  TokenIds suppress;                     // never said, beside the special tokens
  bool suppress_non_speech = true;
  bool suppress_blank = true;
  bool timestamps = true;
  std::optional<double> max_initial_timestamp = 1.0;  // s
};

struct WhisperResult {
  std::string language;
  TokenIds tokens;  // without prefix and end of text
  std::string text;
  double avg_logprob = 0, no_speech_prob = 0, temperature = 0, compression_ratio = 0;
};

// A window that was encoded: its place in SpeechDecoder::encode's batch, and the key of what is drawn for it.
struct DecodingWindow {
  std::int64_t index = 0;
  std::uint64_t key = 0;
};

// UsageError for options that contradict each other.
std::vector<WhisperResult> decode_windows(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary,
                                          const std::vector<DecodingWindow>& windows, const WhisperOptions& options);

}  // namespace thaw
