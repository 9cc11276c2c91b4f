#include "framework/tasks/window_overlap.h"

#include <algorithm>

namespace thaw {
namespace {

template <typename Span>
double middle(const Span& span) {
  return (span.start + span.end) / 2;
}

// Keeps the words for which `stays` holds: a run at the segment's beginning or end, since words ascend.
template <typename Stays>
void keep_words(Segment& segment, const Stays& stays, std::int64_t eot) {
  std::vector<std::int64_t> text = segment.tokens, tokens;
  std::erase_if(text, [&](std::int64_t token) { return token >= eot; });
  std::vector<TimedWord> words;
  std::size_t at = 0;
  segment.text.clear();
  for (TimedWord& word : segment.words) {
    const std::size_t end = std::min(at + word.tokens, text.size());
    if (stays(word)) {
      tokens.insert(tokens.end(), text.begin() + static_cast<std::ptrdiff_t>(at), text.begin() + static_cast<std::ptrdiff_t>(end));
      segment.text += word.word;
      words.push_back(std::move(word));
    }
    at = end;
  }
  segment.words = std::move(words);
  segment.tokens = std::move(tokens);
  if (segment.words.empty()) return;
  segment.start = segment.words.front().start;
  segment.end = segment.words.back().end;
}

template <typename Stays>
void keep(std::vector<Segment>& segments, const Stays& stays, std::int64_t eot) {
  std::erase_if(segments, [&](Segment& segment) {
    if (segment.words.empty()) return !stays(segment);
    if (!std::all_of(segment.words.begin(), segment.words.end(), stays)) keep_words(segment, stays, eot);
    return segment.words.empty();
  });
}

}  // namespace

void settle_overlap(std::vector<Segment>& before, std::vector<Segment>& after, double cut, std::int64_t eot) {
  keep(
      before, [&](const auto& span) { return middle(span) < cut; }, eot);
  keep(
      after, [&](const auto& span) { return middle(span) >= cut; }, eot);
}

}  // namespace thaw
