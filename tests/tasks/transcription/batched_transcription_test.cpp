// Windows cut beforehand: how they are cut, that each says what openai-whisper hears in it, and that nothing is said twice.
#include "framework/tasks/transcription/batched_transcription.h"

#include <gtest/gtest.h>

#include <set>

#include "framework/base/error.h"
#include "framework/tasks/transcription/transcript_json.h"
#include "framework/tasks/transcription/window_overlap.h"
#include "tests/support/reference.h"
#include "tests/tasks/transcription/fake_whisper.h"

namespace thaw {
namespace {

Transcript heard(int number, const std::vector<TimeSpan>& windows, std::int64_t batch, const TranscriptionOptions& options) {
  test::FakeDecoder decoder(test::fake_tokens());
  const at::Tensor features = test::with_silence(test::recording(number, 13000));
  Transcript found = transcribe_windows(decoder, test::vocabulary_of(test::fake_tokens()), features, windows, batch, options);
  EXPECT_GE(decoder.encoded, (static_cast<std::int64_t>(windows.size()) + batch - 1) / batch);
  EXPECT_LE(decoder.encoded, static_cast<std::int64_t>(2 * windows.size()));
  return found;
}

TEST(BatchedTranscription, WindowsAsOpenAi) {
  THAW_NEEDS_PYTHON();
  std::size_t compared = 0, unfinished = 0, rests = 0;
  const Json expected = test::reference("tasks/transcription/batched_transcription_reference.py");
  for (const Json& c : expected["windows"]) {
    SCOPED_TRACE(c["number"].get<int>());
    std::vector<TimeSpan> windows;
    for (const Json& w : c["windows"]) windows.push_back({w[0], w[1]});
    TranscriptionOptions options = test::usual_options();
    if (c["number"].get<int>() % 2 == 1) options.decoding.beam_size = 3;
    const Transcript found = heard(c["number"], windows, 4, options);
    std::size_t next = 0;
    for (const Segment& segment : found.segments) {
      if (const auto rest = std::find_if(c["rests"].begin(), c["rests"].end(),
                                         [&](const Json& one) { return one["seek"] == segment.seek && one["start"] == segment.start; });
          rest != c["rests"].end()) {  // of a window that ended with "go on from here"
        EXPECT_EQ(segment.tokens, (*rest)["tokens"].get<TokenIds>());
        ++rests;
        continue;
      }
      const Json wanted = next < c["segments"].size() ? c["segments"][next] : Json();
      if (wanted.is_null() || segment.seek != wanted["seek"] || segment.tokens != wanted["tokens"].get<TokenIds>()) {
        // What a window leaves unfinished, openai-whisper hears again in another window.
        ++unfinished;
        continue;
      }
      EXPECT_EQ(segment.start, wanted["start"]);
      EXPECT_EQ(segment.end, wanted["end"]);
      EXPECT_EQ(segment.text, wanted["text"]);
      EXPECT_EQ(segment.temperature, wanted["temperature"]);
      EXPECT_NEAR(segment.avg_logprob, wanted["avg_logprob"], 1e-5);
      ++next, ++compared;
    }
    EXPECT_EQ(next, c["segments"].size());
  }
  EXPECT_GT(compared, 30u);
  EXPECT_LT(unfinished, compared);
  EXPECT_GT(unfinished, 0u);
  EXPECT_GT(rests, 0u);
}

TEST(BatchedTranscription, TextDoesNotDependOnTheBatch) {
  THAW_NEEDS_PYTHON();
  TranscriptionOptions options = test::usual_options();
  options.word_times = true;
  const std::vector<TimeSpan> windows = {{0, 20}, {20, 45}, {50, 51}, {51, 80}, {90, 119}};
  const std::string one = to_json(heard(1, windows, 1, options));
  EXPECT_EQ(one, to_json(heard(1, windows, 2, options)));
  EXPECT_EQ(one, to_json(heard(1, windows, 16, options)));
}

// Decoding the tokens of all segments gives the text, and words lie on their window's side of each overlap's middle.
TEST(BatchedTranscription, WhatWindowsShareIsSaidOnce) {
  THAW_NEEDS_PYTHON();
  TranscriptionOptions options = test::usual_options();
  options.word_times = true;
  const std::vector<TimeSpan> windows = speech_windows({{0, 130}}, 130, {30, 0, 6});
  ASSERT_EQ(windows.size(), 6u);
  const WhisperVocabulary vocabulary = test::vocabulary_of(test::fake_tokens());
  std::size_t words = 0;
  for (int number = 0; number < 4; ++number) {
    const Transcript transcript = heard(number, windows, 8, options);
    std::set<std::int64_t> speaking;  // windows
    for (const Segment& segment : transcript.segments) speaking.insert(segment.seek / 2400);
    for (const Segment& segment : transcript.segments) {
      TokenIds text = segment.tokens;
      std::erase_if(text, [&](std::int64_t token) { return token >= vocabulary.eot; });
      EXPECT_EQ(vocabulary.decode(text), segment.text);
      const std::int64_t window = segment.seek / 2400, start = window * 24;
      for (const TimedWord& word : segment.words) {
        const double middle = (word.start + word.end) / 2;
        EXPECT_GE(middle, speaking.contains(window - 1) ? start + 3 : start);
        EXPECT_LE(middle, speaking.contains(window + 1) ? start + 27 : start + 30);
        ++words;
      }
    }
  }
  EXPECT_GT(words, 50u);
}

TEST(BatchedTranscription, WordsGoToTheirSide) {
  Segment first, second, silent;
  first.tokens = {200, 1, 2, 3, 4, 205};
  first.text = " one two three";
  first.start = 0, first.end = 3;
  first.words = {{" one", 0, 1, 0.5, {1}}, {" two", 1, 2, 0.5, {2, 3}}, {" three", 2, 3, 0.5, {4}}};
  second = first;
  silent.start = 2.4, silent.end = 3;
  std::vector<Segment> before = {first, silent}, after = {second, silent};
  settle_overlap(before, after, 2.1);
  ASSERT_EQ(before.size(), 1u);
  EXPECT_EQ(before[0].text, " one two");
  EXPECT_EQ(before[0].tokens, (TokenIds{1, 2, 3}));
  EXPECT_EQ(before[0].end, 2);
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0].text, " three");
  EXPECT_EQ(after[0].tokens, TokenIds{4});
  EXPECT_EQ(after[0].start, 2);
  settle_overlap(before, after, 9);
  EXPECT_EQ(before[0].tokens, (TokenIds{1, 2, 3}));
  EXPECT_TRUE(after.empty());
}

void expect_windows(const std::vector<TimeSpan>& found, const std::vector<std::pair<double, double>>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i].begin_s, wanted[i].first, 1e-9);
    EXPECT_NEAR(found[i].end_s, wanted[i].second, 1e-9);
  }
}

TEST(BatchedTranscription, WindowsAreCutAtPauses) {
  expect_windows(speech_windows({}, 100), {});
  expect_windows(speech_windows({{0.1, 2}}, 2.1), {{0, 2.1}});  // padding ends with the recording
  expect_windows(speech_windows({{1, 10}, {12, 30}, {31, 40}}, 100), {{0.8, 30.2}, {30.8, 40.2}});
  expect_windows(speech_windows({{1, 10}, {10.2, 38}}, 100), {{0.8, 10.1}, {10.1, 38.2}});   // a pause shorter than the padding
  expect_windows(speech_windows({{0, 70}}, 70, {30, 0, 2}), {{0, 30}, {28, 58}, {56, 70}});  // no pause: shared seconds
  EXPECT_THROW(speech_windows({{0, 5}, {4, 6}}, 10), DataError);
  EXPECT_THROW(speech_windows({{0, 5}}, 10, {30, 0, 30}), UsageError);
}

TEST(BatchedTranscription, WrongWindowsAreRefused) {
  THAW_NEEDS_PYTHON();
  const auto refused = [&](const std::vector<TimeSpan>& windows) {
    test::FakeDecoder decoder(test::fake_tokens());
    const at::Tensor features = test::with_silence(test::recording(0, 6000));
    EXPECT_THROW(transcribe_windows(decoder, test::vocabulary_of(test::fake_tokens()), features, windows, 2, test::usual_options()),
                 DataError);
  };
  refused({{0, 31}});
  refused({{10, 20}, {5, 9}});
  refused({{-1, 5}});
  // Both ends of 30 s may be rounded away from each other.
  EXPECT_NO_THROW(heard(0, {{0.575, 30.575}}, 1, test::usual_options()));
  test::FakeDecoder decoder(test::fake_tokens());
  const Transcript none = transcribe_windows(decoder, test::vocabulary_of(test::fake_tokens()),
                                             test::with_silence(test::recording(0, 6000)), {}, 2, test::usual_options());
  EXPECT_TRUE(none.segments.empty());
  EXPECT_EQ(none.text, "");
}

}  // namespace
}  // namespace thaw
