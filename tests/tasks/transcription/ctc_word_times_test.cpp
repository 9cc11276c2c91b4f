// Words get their times from made frames. How close they are on real speech, recipes/benchmarks/word_times.sh measures.
#include "framework/tasks/transcription/ctc_word_times.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace thaw {
namespace {

constexpr std::size_t frame = 320;  // samples; 20 ms

// A recording of one frame a character: '-' is the blank, '|' the delimiter. Its samples say where they are.
struct Recording {
  std::string said;
  std::vector<std::size_t> passages = {};  // frames that were looked at at once
  std::vector<float> samples() const {
    std::vector<float> numbered(said.size() * frame);
    for (std::size_t i = 0; i < numbered.size(); ++i) numbered[i] = static_cast<float>(i / frame);
    return numbered;
  }
  CtcAcousticModel model() {
    CtcAcousticModel out;
    out.lengths = {{frame}, {frame}};
    out.log_probs = [this](std::span<const float> part) {
      const std::size_t frames = part.size() / frame;
      passages.push_back(frames);
      at::Tensor p = at::full({static_cast<std::int64_t>(frames), 4}, 0.05);
      for (std::size_t t = 0; t < frames; ++t)
        p[static_cast<std::int64_t>(t)]
         [static_cast<std::int64_t>(std::string("-|ab").find(said[static_cast<std::size_t>(part[t * frame])]))] = 0.85;
      return p.log();
    };
    return out;
  }
};

CtcSpelling spelling() {
  CtcSpelling out;
  out.blank = 0, out.delimiter = 1;
  out.labels = [](const std::string& word) {
    std::vector<std::int64_t> ids;
    for (const char letter : word)
      if (letter == 'a' || letter == 'b') ids.push_back(letter == 'a' ? 2 : 3);
    return ids;
  };
  return out;
}

// Words with the times that a model of attention might have given them.
Transcript transcript(const std::vector<std::vector<TimedWord>>& segments) {
  Transcript out;
  for (const std::vector<TimedWord>& words : segments) {
    out.segments.emplace_back();
    out.segments.back().words = words;
  }
  return out;
}

TimedWord word(const std::string& text, double start, double end) {
  TimedWord out;
  out.word = text, out.start = start, out.end = end;
  return out;
}

void expect_times(const TimedWord& found, double start, double end) {
  EXPECT_NEAR(found.start, start, 1e-6) << found.word;
  EXPECT_NEAR(found.end, end, 1e-6) << found.word;
}

void align(Transcript& found, Recording& recording, double longest_s = 30) {
  const std::vector<float> samples = recording.samples();
  align_words(found, recording.model(), spelling(), samples, longest_s);
}

//                                   0         1         2         3
//                                   0123456789012345678901234567890123456
const std::string three_words = "-----a-b-|--b--------------------a-a--";

TEST(CtcWordTimes, FromTheFramesOfTheirLabels) {
  Transcript found = transcript({{word(" ab,", 0, 0.3), word(" B b", 0.3, 0.5)}, {word(" aa.", 0.5, 0.7)}});
  Recording recording{three_words};
  align(found, recording);
  // 60 ms before the first label; behind the last one half of what is left to the next label, 100 ms at most; what overlaps parts halfway.
  expect_times(found.segments[0].words[0], 0.10 - 0.06, (0.16 + 0.04 + 0.24 - 0.06) / 2);
  expect_times(found.segments[0].words[1], (0.16 + 0.04 + 0.24 - 0.06) / 2, 0.26 + 0.10);
  expect_times(found.segments[1].words[0], 0.66 - 0.06, 0.72 + 0.02);
  EXPECT_EQ(recording.passages, (std::vector<std::size_t>{38}));
  EXPECT_NEAR(found.segments[0].start, 0.04, 1e-6);
  EXPECT_NEAR(found.segments[0].end, 0.36, 1e-6);
  EXPECT_NEAR(found.segments[1].start, 0.60, 1e-6);
}

TEST(CtcWordTimes, WhatCannotBeSpeltLiesBetweenItsNeighbours) {
  Transcript found = transcript({{word(" 7", 0, 0), word(" ab", 0, 0.3), word(" b", 0.3, 0.5), word(" 1", 0.5, 0.6), word(" 2", 0.6, 0.6),
                                  word(" aa", 0.6, 0.7), word(" 9", 0.7, 0.7)}});
  Recording recording{three_words};
  align(found, recording);
  const std::vector<TimedWord>& words = found.segments[0].words;
  expect_times(words[0], 0, 0.04);
  expect_times(words[2], 0.19, 0.36);
  expect_times(words[3], 0.36, 0.48);
  expect_times(words[4], 0.48, 0.60);
  expect_times(words[6], 0.74, 0.76);
}

// 100 words of half a second each, cut where they pause.
TEST(CtcWordTimes, ALongRecordingByPassages) {
  std::string said;
  std::vector<TimedWord> words;
  std::vector<double> starts;
  for (int i = 0; i < 100; ++i) {
    if (i % 10 == 9) said += std::string(20, '-');
    starts.push_back(static_cast<double>(said.size()) * 0.02 - 0.06 + 0.08);
    words.push_back(word(i % 2 == 0 ? " ab" : " ba", starts.back() + 0.2, starts.back() + 0.5));
    said += std::string(i % 2 == 0 ? "----a---b--------------|-" : "----b---a--------------|-");
  }
  Transcript found = transcript({words});
  Recording recording{said};
  align(found, recording, 12);
  ASSERT_GE(recording.passages.size(), 5U);
  EXPECT_LE(*std::max_element(recording.passages.begin(), recording.passages.end()), 12U * 50);
  for (std::size_t i = 0; i < words.size(); ++i) EXPECT_NEAR(found.segments[0].words[i].start, starts[i], 1e-6) << i;
  for (const std::size_t frames : recording.passages) EXPECT_GT(frames, 100U);
}

TEST(CtcWordTimes, WordsThatDoNotFitKeepTheirTimes) {
  Transcript found = transcript({{word(" abababababababab", 0.01, 0.05)}});
  Recording recording{"--ab--"};
  align(found, recording);
  expect_times(found.segments[0].words[0], 0.01, 0.05);
  Transcript none = transcript({{}, {word("7", 0, 0.1)}});
  align(none, recording);
  expect_times(none.segments[1].words[0], 0, 0.1);
}

}  // namespace
}  // namespace thaw
