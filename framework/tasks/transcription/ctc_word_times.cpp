#include "framework/tasks/transcription/ctc_word_times.h"

#include <algorithm>

#include "framework/tasks/ctc.h"
#include "framework/tasks/ctc_align.h"
#include "framework/tasks/transcription/word_edges.h"

namespace thaw {
namespace {

constexpr double lag_s = 0.06;          // from where a sound begins to where its label is heard
constexpr double margin_s = 1;          // that the old times may be wrong by
constexpr double longest_tail_s = 0.1;  // of a word behind its last label

// Words that are aligned together: [first, end).
struct Passage {
  std::size_t first, end;
};

// As many words as fit, cut in the passage's later half where two words stand farthest apart.
std::vector<Passage> passages_of(const std::vector<TimedWord*>& words, double longest_s) {
  std::vector<Passage> passages;
  for (std::size_t first = 0; first < words.size();) {
    std::size_t end = first + 1;
    while (end < words.size() && words[end]->end - words[first]->start <= longest_s - 2 * margin_s) ++end;
    if (end < words.size()) {
      const auto gap_before = [&](std::size_t word) { return words[word]->start - words[word - 1]->end; };
      std::size_t cut = end;
      for (std::size_t word = end; word > first + std::max<std::size_t>(1, (end - first) / 2); --word)
        if (gap_before(word) > gap_before(cut)) cut = word;
      end = cut;
    }
    passages.push_back({first, end});
    first = end;
  }
  return passages;
}

// What of the recording a passage is looked for in: up to halfway to the words before and behind it.
TimeSpan sound_of(const Passage& passage, const std::vector<TimedWord*>& words, double seconds) {
  const auto between = [&](std::size_t word) { return (words[word - 1]->end + words[word]->start) / 2; };
  const double begin = passage.first > 0 ? between(passage.first) : 0;
  const double end = passage.end < words.size() ? between(passage.end) : seconds;
  return {std::max(begin, words[passage.first]->start - margin_s), std::min(end, words[passage.end - 1]->end + margin_s)};
}

struct WordLabels {
  std::vector<std::int64_t> ids;     // with delimiters between words
  std::vector<CtcWordRange> ranges;  // in ids
  std::vector<std::size_t> words;    // whose ranges these are
};

WordLabels labels_of(const Passage& passage, const std::vector<TimedWord*>& words, const CtcSpelling& spelling) {
  WordLabels out;
  for (std::size_t word = passage.first; word < passage.end; ++word) {
    const std::vector<std::int64_t> ids = spelling.labels(words[word]->word);
    if (ids.empty()) continue;
    if (!out.ids.empty()) out.ids.push_back(spelling.delimiter);
    out.ranges.push_back({out.ids.size(), out.ids.size() + ids.size()});
    out.words.push_back(word);
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
  }
  return out;
}

// Words from `first` to `end` share the time between their neighbours.
void spread(const std::vector<TimedWord*>& words, std::size_t first, std::size_t end, double from, double to) {
  const double each = std::max(0.0, to - from) / static_cast<double>(end - first);
  for (std::size_t word = first; word < end; ++word) {
    words[word]->start = from + each * static_cast<double>(word - first);
    words[word]->end = words[word]->start + each;
  }
}

// Where a word's tail meets the next one, which begins before its label, they part halfway.
void part_words(TimedWord& word, TimedWord& next) {
  if (word.end > next.start) word.end = next.start = (word.end + next.start) / 2;
}

}  // namespace

void align_words(Transcript& transcript, const CtcAcousticModel& model, const CtcSpelling& spelling, std::span<const float> samples,
                 double longest_s) {
  const std::vector<TimedWord*> words = words_of(transcript);
  const double seconds = static_cast<double>(samples.size()) / model.sample_rate;
  for (const Passage& passage : passages_of(words, longest_s)) {
    const TimeSpan sound = sound_of(passage, words, seconds);
    const auto first_sample = static_cast<std::size_t>(std::max(0.0, sound.begin_s) / model.frame_s()) *
                              static_cast<std::size_t>(model.samples_a_frame());  // a whole frame's
    const auto last_sample = std::min(samples.size(), static_cast<std::size_t>(std::max(0.0, sound.end_s * model.sample_rate)));
    const WordLabels labels = labels_of(passage, words, spelling);
    if (labels.ids.empty() || last_sample <= first_sample) continue;
    const std::span<const float> part = samples.subspan(first_sample, last_sample - first_sample);
    if (model.lengths.frames_of(static_cast<std::int64_t>(part.size())) < ctc_frames_needed(labels.ids)) continue;
    const std::vector<CtcSpan> spans = word_spans(ctc_align(model.log_probs(part), labels.ids, spelling.blank), labels.ranges);
    const double begin = static_cast<double>(first_sample) / model.sample_rate;
    std::size_t unspelt = passage.first;  // the first word that has no time yet
    double free_from = begin;
    for (std::size_t i = 0; i < spans.size(); ++i) {
      TimedWord& word = *words[labels.words[i]];
      const double heard_until = begin + spans[i].end_s(model.frame_s());
      word.start = std::max(free_from, begin + spans[i].start_s(model.frame_s()) - lag_s);
      if (i > 0) part_words(*words[labels.words[i - 1]], word);
      const double next = i + 1 < spans.size() ? begin + spans[i + 1].start_s(model.frame_s()) : sound.end_s;
      word.end = std::max(word.start, heard_until) + std::clamp((next - heard_until) / 2, 0.0, longest_tail_s);
      if (unspelt < labels.words[i]) spread(words, unspelt, labels.words[i], i > 0 ? words[unspelt - 1]->end : free_from, word.start);
      unspelt = labels.words[i] + 1;
      free_from = heard_until;
    }
    if (unspelt < passage.end) spread(words, unspelt, passage.end, words[unspelt - 1]->end, std::max(words[unspelt - 1]->end, sound.end_s));
  }
  bound_by_words(transcript);
}

}  // namespace thaw
