#include "framework/tasks/transcription/word_times.h"

#include <algorithm>
#include <cstdlib>

#include "framework/tasks/transcription/blanks.h"

namespace thaw {
namespace {

// Python's `a in b` of strings: the empty one is in all.
bool is_in(std::string_view part, std::string_view whole) { return whole.find(part) != std::string_view::npos; }

// To two digits, as Python's round(seconds, 2): the exact binary value decides.
double hundredths(double seconds) { return std::strtod(fmt::format("{:.2f}", seconds).c_str(), nullptr); }

struct Durations {
  double median = 0, longest = 0;  // s; a word may last twice the median
  bool known = false;
};

Durations durations_of(const std::vector<WordTiming>& alignment) {
  std::vector<double> all;
  for (const WordTiming& word : alignment) {
    if (word.end != word.start) all.push_back(word.end - word.start);
  }
  std::sort(all.begin(), all.end());
  Durations durations;
  durations.known = !all.empty();
  if (durations.known) durations.median = std::min(0.7, (all[(all.size() - 1) / 2] + all[all.size() / 2]) / 2);
  durations.longest = durations.median * 2;
  return durations;
}

// A pause at a sentence's end belongs to no word.
void shorten_at_sentence_ends(std::vector<WordTiming>& alignment, const Durations& durations) {
  constexpr std::string_view marks = ".。!！?？";
  if (!durations.known) return;
  for (std::size_t i = 1; i < alignment.size(); ++i) {
    WordTiming& word = alignment[i];
    if (!(word.end - word.start > durations.longest)) continue;
    if (is_in(word.word, marks)) word.end = word.start + durations.longest;
    else if (is_in(alignment[i - 1].word, marks)) word.start = word.end - durations.longest;
  }
}

// After a pause, neither the first nor the second word reaches back into it.
void shorten_after_pause(std::vector<TimedWord>& words, const Durations& durations, double last_speech) {
  TimedWord& first = words[0];
  TimedWord* const second = words.size() > 1 ? &words[1] : nullptr;
  const bool paused = first.end - last_speech > durations.median * 4;
  const bool long_first = first.end - first.start > durations.longest;
  if (!paused || !(long_first || (second != nullptr && second->end - first.start > durations.longest * 2))) return;
  if (second != nullptr && second->end - second->start > durations.longest) {
    first.end = second->start = std::max(second->end / 2, second->end - durations.longest);
  }
  first.start = std::max(0.0, first.end - durations.longest);
}

// Words and segment agree on where they begin and end: the segment's own timestamps win over a word that is far too long.
void settle_ends(Segment& segment, const Durations& durations) {
  TimedWord &first = segment.words.front(), &last = segment.words.back();
  if (segment.start < first.end && segment.start - 0.5 > first.start)
    first.start = std::max(0.0, std::min(first.end - durations.median, segment.start));
  else segment.start = first.start;
  if (segment.end > last.start && segment.end + 0.5 < last.end) last.end = std::max(last.start + durations.median, segment.end);
  else segment.end = last.end;
}

}  // namespace

void merge_punctuation(std::vector<WordTiming>& alignment, std::string_view prepended, std::string_view appended) {
  if (alignment.empty()) return;
  std::size_t next = alignment.size() - 1;
  for (std::size_t i = alignment.size() - 1; i-- > 0;) {
    WordTiming &word = alignment[i], &following = alignment[next];
    if (!word.word.starts_with(' ') || !is_in(strip_blanks(word.word), prepended)) {
      next = i;
      continue;
    }
    following.word = word.word + following.word;
    following.tokens.insert(following.tokens.begin(), word.tokens.begin(), word.tokens.end());
    word.word.clear();
    word.tokens.clear();
  }
  std::size_t before = 0;
  for (std::size_t i = 1; i < alignment.size(); ++i) {
    WordTiming &previous = alignment[before], &word = alignment[i];
    if (previous.word.ends_with(' ') || !is_in(word.word, appended)) {
      before = i;
      continue;
    }
    previous.word += word.word;
    previous.tokens.insert(previous.tokens.end(), word.tokens.begin(), word.tokens.end());
    word.word.clear();
    word.tokens.clear();
  }
}

void set_word_times(std::vector<Segment>& segments, std::vector<WordTiming> alignment, const WordOptions& options, double last_speech,
                    std::int64_t eot) {
  if (segments.empty()) return;
  const Durations durations = durations_of(alignment);
  shorten_at_sentence_ends(alignment, durations);
  merge_punctuation(alignment, options.prepended, options.appended);
  const double offset = seconds_of(segments.front().seek);
  std::size_t next = 0;
  for (Segment& segment : segments) {
    const auto size = static_cast<std::size_t>(
        std::count_if(segment.tokens.begin(), segment.tokens.end(), [&](std::int64_t token) { return token < eot; }));
    segment.words.clear();
    for (std::size_t taken = 0; next < alignment.size() && taken < size; ++next) {
      const WordTiming& timing = alignment[next];
      taken += timing.tokens.size();
      if (!timing.word.empty())
        segment.words.push_back(
            {timing.word, hundredths(offset + timing.start), hundredths(offset + timing.end), timing.probability, timing.tokens});
    }
    if (segment.words.empty()) continue;
    shorten_after_pause(segment.words, durations, last_speech);
    settle_ends(segment, durations);
    last_speech = segment.end;
  }
}

std::optional<double> end_of(const std::vector<Segment>& segments) {
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    if (!segment->words.empty()) return segment->words.back().end;
  }
  return segments.empty() ? std::nullopt : std::optional(segments.back().end);
}

}  // namespace thaw
