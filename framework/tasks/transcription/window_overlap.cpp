#include "framework/tasks/transcription/window_overlap.h"

#include <algorithm>

namespace thaw {
namespace {

template <typename Span>
double middle(const Span& span) {
  return (span.start + span.end) / 2;
}

// Keeps the words for which `stays` holds; text and tokens are then theirs.
template <typename Stays>
void keep_words(Segment& segment, const Stays& stays) {
  std::erase_if(segment.words, [&](const TimedWord& word) { return !stays(word); });
  if (segment.words.empty()) return;
  segment.text.clear();
  segment.tokens.clear();
  for (const TimedWord& word : segment.words) {
    segment.text += word.word;
    segment.tokens.insert(segment.tokens.end(), word.tokens.begin(), word.tokens.end());
  }
  segment.start = segment.words.front().start;
  segment.end = segment.words.back().end;
}

template <typename Stays>
void keep(std::vector<Segment>& segments, const Stays& stays) {
  std::erase_if(segments, [&](Segment& segment) {
    if (segment.words.empty()) return !stays(segment);
    if (!std::all_of(segment.words.begin(), segment.words.end(), stays)) keep_words(segment, stays);
    return segment.words.empty();
  });
}

}  // namespace

void settle_overlap(std::vector<Segment>& before, std::vector<Segment>& after, double cut) {
  keep(before, [&](const auto& span) { return middle(span) < cut; });
  keep(after, [&](const auto& span) { return middle(span) >= cut; });
}

}  // namespace thaw
