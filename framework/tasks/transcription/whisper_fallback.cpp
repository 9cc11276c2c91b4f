#include "framework/tasks/transcription/whisper_fallback.h"

#include <utility>

#include "framework/base/error.h"
#include "framework/base/random.h"

namespace thaw {

bool FallbackOptions::failed(const WhisperResult& result) const {
  const bool improbable = logprob_threshold && result.avg_logprob < *logprob_threshold;
  if (improbable && no_speech_threshold && result.no_speech_prob > *no_speech_threshold) return false;
  return improbable || (compression_ratio_threshold && result.compression_ratio > *compression_ratio_threshold);
}

bool FallbackOptions::is_silence(const WhisperResult& result) const {
  const bool probable = logprob_threshold && result.avg_logprob > *logprob_threshold;
  return no_speech_threshold && result.no_speech_prob > *no_speech_threshold && !probable;
}

std::vector<WhisperResult> decode_with_fallback(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary,
                                                const std::vector<DecodingWindow>& windows, const WhisperOptions& options,
                                                const FallbackOptions& fallback) {
  if (fallback.temperatures.empty()) throw UsageError("temperatures: expected one or more, such as 0, 0.2, 0.4; found none");
  std::vector<WhisperResult> results(windows.size());
  std::vector<std::size_t> open(windows.size());
  for (std::size_t i = 0; i < open.size(); ++i) open[i] = i;
  for (std::size_t attempt = 0; attempt < fallback.temperatures.size() && !open.empty(); ++attempt) {
    WhisperOptions at_temperature = options;
    at_temperature.temperature = fallback.temperatures[attempt];
    if (at_temperature.temperature > 0) at_temperature.beam_size = 0, at_temperature.known_word = nullptr;
    else at_temperature.best_of = 1;
    std::vector<DecodingWindow> these;
    for (const std::size_t i : open) these.push_back({windows[i].index, random_key(windows[i].key, attempt)});
    std::vector<WhisperResult> decoded = decode_windows(decoder, vocabulary, these, at_temperature);
    std::vector<std::size_t> failed;
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (fallback.failed(decoded[i])) failed.push_back(open[i]);
      results[open[i]] = std::move(decoded[i]);
    }
    open = std::move(failed);
  }
  return results;
}

}  // namespace thaw
