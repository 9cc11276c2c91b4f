// Times of words: each step as openai-whisper's timing.py takes it. The whole, over a model, is in transcription_test.cpp.
#include "framework/tasks/transcription/word_times.h"

#include <gtest/gtest.h>

#include "framework/tasks/transcription/alignment.h"
#include "framework/tasks/transcription/word_edges.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

const Json& expected_times() {
  static const Json read = test::reference("tasks/transcription/word_times_reference.py");
  return read;
}

TEST(WordTimes, MedianFilterAsOpenAi) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected_times()["median"]) {
    const at::Tensor values = at::tensor(c["values"].get<std::vector<float>>()).reshape(c["shape"].get<std::vector<std::int64_t>>());
    const at::Tensor wanted = at::tensor(c["filtered"].get<std::vector<float>>()).reshape(values.sizes());
    EXPECT_TRUE(at::equal(median_filter(values, c["width"]), wanted)) << c["shape"] << c["width"];
  }
}

TEST(WordTimes, WarpingAsOpenAi) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected_times()["warping"]) {
    const at::Tensor costs = at::tensor(c["costs"].get<std::vector<double>>(), at::kDouble)
                                 .reshape({c["rows"].get<std::int64_t>(), c["columns"].get<std::int64_t>()});
    const WarpingPath path = dynamic_time_warping(costs);
    EXPECT_EQ(path.rows, c["path"][0].get<std::vector<std::int64_t>>()) << costs.sizes();
    EXPECT_EQ(path.columns, c["path"][1].get<std::vector<std::int64_t>>()) << costs.sizes();
  }
}

std::vector<WordTiming> timings_of(const Json& words) {
  std::vector<WordTiming> all;
  for (const Json& w : words) all.push_back({w["word"], w["tokens"].get<TokenIds>(), w["start"], w["end"], w["probability"]});
  return all;
}

TEST(WordTimes, PunctuationAsOpenAi) {
  THAW_NEEDS_PYTHON();
  const WordOptions usual;
  for (const Json& c : expected_times()["merged"]) {
    std::vector<WordTiming> words = timings_of(c["before"]);
    merge_punctuation(words, usual.prepended, usual.appended);
    const std::vector<WordTiming> wanted = timings_of(c["after"]);
    ASSERT_EQ(words.size(), wanted.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
      ASSERT_EQ(words[i].word, wanted[i].word) << c.dump();
      ASSERT_EQ(words[i].tokens, wanted[i].tokens) << c.dump();
    }
  }
}

TEST(WordTimes, WordsInSegmentsAsOpenAi) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected_times()["placed"]) {
    std::vector<Segment> segments;
    for (const Json& s : c["segments"]) {
      Segment segment;
      segment.seek = s["seek"];
      segment.start = s["start"];
      segment.end = s["end"];
      segment.tokens = s["tokens"].get<TokenIds>();
      segments.push_back(segment);
    }
    set_word_times(segments, timings_of(c["alignment"]), {}, c["last_speech"], 1000);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const Json& wanted = c["result"][i];
      ASSERT_DOUBLE_EQ(segments[i].start, wanted["start"]) << c.dump();
      ASSERT_DOUBLE_EQ(segments[i].end, wanted["end"]) << c.dump();
      ASSERT_EQ(segments[i].words.size(), wanted["words"].size()) << c.dump();
      for (std::size_t k = 0; k < segments[i].words.size(); ++k) {
        const TimedWord& word = segments[i].words[k];
        ASSERT_EQ(word.word, wanted["words"][k]["word"]) << c.dump();
        ASSERT_DOUBLE_EQ(word.start, wanted["words"][k]["start"]) << c.dump();
        ASSERT_DOUBLE_EQ(word.end, wanted["words"][k]["end"]) << c.dump();
        ASSERT_EQ(word.probability, wanted["words"][k]["probability"]);
      }
    }
  }
}

TEST(WordTimes, EndOfWordsBeforeEndOfSegments) {
  EXPECT_FALSE(end_of({}).has_value());
  std::vector<Segment> segments(2);
  segments[0].end = 3;
  segments[1].end = 5;
  EXPECT_EQ(end_of(segments), 5);
  segments[0].words = {{" a", 1, 2.5, 1, {}}};
  EXPECT_EQ(end_of(segments), 2.5);
}

Transcript said(std::vector<std::vector<TimedWord>> segments) {
  Transcript transcript;
  for (std::vector<TimedWord>& words : segments) {
    Segment segment;
    segment.start = words.front().start;
    segment.end = words.back().end;
    segment.words = std::move(words);
    transcript.segments.push_back(std::move(segment));
  }
  return transcript;
}

// Voice from 0.4 to 1.5 s and from 2.1 to 3.5 s.
TEST(WordEdges, WordsBesideAPauseBeginAndEndWithTheVoice) {
  Transcript transcript = said({{{" a", 0.1, 0.9, 1, {}}, {" b", 0.9, 1.3, 1, {}}}, {{" c", 1.3, 2.9, 1, {}}, {" d", 2.9, 4, 1, {}}}});
  snap_to_voice(transcript, {{0.4, 1.5}, {2.1, 3.5}});
  const std::vector<TimedWord>&first = transcript.segments[0].words, &second = transcript.segments[1].words;
  EXPECT_EQ(first[0].start, 0.4);
  EXPECT_EQ(first[0].end, 0.9);  // no pause between: as it was
  EXPECT_EQ(first[1].start, 0.9);
  EXPECT_EQ(first[1].end, 1.5);
  EXPECT_EQ(second[0].start, 2.1);
  EXPECT_EQ(second[1].end, 3.5);
  EXPECT_EQ(transcript.segments[0].start, 0.4);
  EXPECT_EQ(transcript.segments[0].end, 1.5);
  EXPECT_EQ(transcript.segments[1].start, 2.1);
}

// The pause reaches into the second word, and behind it.
TEST(WordEdges, WordsKeepTheirOrder) {
  Transcript transcript = said({{{" a", 0, 1, 1, {}}, {" b", 1, 1.2, 1, {}}, {" c", 1.2, 1.6, 1, {}}, {" d", 1.6, 1.6, 1, {}}}});
  snap_to_voice(transcript, {{0, 0.5}, {1.4, 2}});
  double last = 0;
  for (const TimedWord& word : transcript.segments[0].words) {
    EXPECT_GE(word.start, last) << word.word;
    EXPECT_GE(word.end, word.start + 0.0199) << word.word;
    last = word.end;
  }
  EXPECT_EQ(transcript.segments[0].words[1].start, 1.4);
  Transcript late = said({{{" a", 0, 1, 1, {}}, {" b", 1, 2, 1, {}}}, {{" c", 1.2, 1.5, 1, {}}, {" d", 1.5, 1.8, 1, {}}}});
  snap_to_voice(late, {{0, 2}});
  EXPECT_EQ(late.segments[0].words[1].end, 1.2) << "an end that is too late gives way";
  EXPECT_EQ(late.segments[1].words[0].start, 1.2);
  EXPECT_EQ(late.segments[1].words[1].start, 1.5);
}

TEST(WordEdges, WithoutVoiceOrPauseNothingMoves) {
  Transcript transcript = said({{{" a", 0.5, 1, 1, {}}, {" b", 1, 1.5, 1, {}}}});
  snap_to_voice(transcript, {});
  snap_to_voice(transcript, {{0, 1.01}, {1.03, 1.5}});  // 20 ms are no pause
  EXPECT_EQ(transcript.segments[0].words[0].start, 0.5);
  EXPECT_EQ(transcript.segments[0].words[0].end, 1);
  EXPECT_EQ(transcript.segments[0].words[1].start, 1);
  // A word behind all voice has nowhere to begin.
  snap_to_voice(transcript, {{0, 0.6}});
  EXPECT_EQ(transcript.segments[0].words[1].start, 1);
}

}  // namespace
}  // namespace thaw
