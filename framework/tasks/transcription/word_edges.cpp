#include "framework/tasks/transcription/word_edges.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace thaw {
namespace {

constexpr double shortest_pause = 0.04, shortest_word = 0.02;  // s

double middle_of(const TimedWord& word) { return (word.start + word.end) / 2; }

std::vector<TimeSpan> pauses_between(const std::vector<TimeSpan>& voiced) {
  std::vector<TimeSpan> pauses;
  double silent_from = 0;
  for (const TimeSpan& region : voiced) {
    if (region.begin_s > silent_from) pauses.push_back({silent_from, region.begin_s});
    silent_from = region.end_s;
  }
  pauses.push_back({silent_from, std::numeric_limits<double>::infinity()});
  return pauses;
}

// The pause of which most lies between two moments; where two are equal, the first.
std::optional<TimeSpan> pause_within(const std::vector<TimeSpan>& pauses, double from, double to) {
  std::optional<TimeSpan> longest;
  double most = shortest_pause;
  for (const TimeSpan& pause : pauses) {
    const double inside = std::min(pause.end_s, to) - std::max(pause.begin_s, from);
    if (inside > most) longest = pause, most = inside;
  }
  return longest;
}

}  // namespace

void snap_to_voice(Transcript& transcript, const std::vector<TimeSpan>& voiced) {
  if (voiced.empty()) return;
  const std::vector<TimedWord*> words = words_of(transcript);
  const std::vector<TimeSpan> pauses = pauses_between(voiced);
  // Middles as they were given, so that a word that moves does not move what is asked of the next one.
  std::vector<double> middles;
  for (const TimedWord* word : words) middles.push_back(middle_of(*word));
  for (std::size_t i = 0; i <= words.size(); ++i) {
    TimedWord *const before = i > 0 ? words[i - 1] : nullptr, *const after = i < words.size() ? words[i] : nullptr;
    const auto pause =
        pause_within(pauses, before != nullptr ? middles[i - 1] : 0, after != nullptr ? middles[i] : std::numeric_limits<double>::max());
    if (!pause || (after != nullptr && std::isinf(pause->end_s))) continue;  // a word behind all voice stays where it is
    if (before != nullptr) before->end = std::max(pause->begin_s, before->start + shortest_word);
    if (after != nullptr) after->start = pause->end_s;
  }
  // One after another: an end that is too late gives way, and where there is no room for a word those after it do.
  double last = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    TimedWord& word = *words[i];
    word.start = std::max(word.start, last);
    if (i + 1 < words.size()) word.end = std::min(word.end, words[i + 1]->start);
    last = word.end = std::max(word.end, word.start + shortest_word);
  }
  bound_by_words(transcript);
}

void bound_by_words(Transcript& transcript) {
  for (Segment& segment : transcript.segments)
    if (!segment.words.empty()) segment.start = segment.words.front().start, segment.end = segment.words.back().end;
}

std::vector<TimedWord*> words_of(Transcript& transcript) {
  std::vector<TimedWord*> words;
  for (Segment& segment : transcript.segments)
    for (TimedWord& word : segment.words) words.push_back(&word);
  return words;
}

}  // namespace thaw
