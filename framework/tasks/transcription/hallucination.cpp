#include "framework/tasks/transcription/hallucination.h"

#include <algorithm>
#include <string_view>

#include "framework/tasks/transcription/word_times.h"

namespace thaw {
namespace {

constexpr std::string_view punctuation = "\"'“¿([{-\"'.。,，!！?？:：”)]}、";

double anomaly_of(const TimedWord& word) {
  const double duration = word.end - word.start;
  double score = 0;
  if (word.probability < 0.15) score += 1;
  if (duration < 0.133) score += (0.133 - duration) * 15;
  if (duration > 2) score += duration - 2;
  return score;
}

const Segment* first_with_words(const std::vector<Segment>& segments, std::size_t from) {
  for (std::size_t i = from; i < segments.size(); ++i) {
    if (!segments[i].words.empty()) return &segments[i];
  }
  return nullptr;
}

}  // namespace

bool is_anomaly(const Segment& segment) {
  if (segment.words.empty()) return false;
  double score = 0;
  std::size_t judged = 0;
  for (const TimedWord& word : segment.words) {
    if (punctuation.find(word.word) != std::string_view::npos) continue;
    score += anomaly_of(word);
    if (++judged == 8) break;
  }
  return score >= 3 || score + 0.01 >= static_cast<double>(judged);
}

SilenceVerdict skip_silence(const SilenceRules& rules, const WindowSpan& window, const std::vector<Segment>& segments, std::int64_t seek,
                            bool ends_in_silence, double last_speech) {
  const double offset = seconds_of(window.seek), window_end = seconds_of(window.seek + window_frames);
  const std::optional<double> last_word = end_of(segments);
  if (!ends_in_silence && last_word && *last_word > offset) {
    seek = window_end - *last_word > rules.threshold ? frame_at(*last_word) : window.seek + window.frames;
  }
  if (const Segment* const first = first_with_words(segments, 0); first != nullptr && is_anomaly(*first)) {
    const double gap = first->start - offset;
    if (gap > rules.threshold) return {window.seek + frame_at(gap), true, 0};
  }
  double last_end = last_speech;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    if (segment.words.empty()) continue;
    if (is_anomaly(segment)) {
      const Segment* const next = first_with_words(segments, i + 1);
      const double next_start = next != nullptr ? next->words.front().start : offset + seconds_of(window.frames);
      const bool silence_before =
          segment.start - last_end > rules.threshold || segment.start < rules.threshold || segment.start - offset < 2;
      const bool silence_after =
          next_start - segment.end > rules.threshold || (next != nullptr && is_anomaly(*next)) || window_end - segment.end < 2;
      if (silence_before && silence_after) {
        seek = frame_at(std::max(offset + 1, segment.start));
        if (seconds_of(rules.content_frames) - segment.end < rules.threshold) seek = rules.content_frames;
        return {seek, false, i};
      }
    }
    last_end = segment.end;
  }
  return {seek, false, segments.size()};
}

}  // namespace thaw
