// Whole recordings: the segments and words of openai-whisper's transcribe() over the same (fake) model.
#include "framework/tasks/transcription/transcription.h"

#include <gtest/gtest.h>

#include "framework/base/error.h"
#include "framework/tasks/transcription/batched_transcription.h"
#include "framework/tasks/transcription/transcript_json.h"
#include "tests/support/reference.h"
#include "tests/tasks/transcription/fake_whisper.h"

namespace thaw {
namespace {

std::optional<double> number_of(const Json& value) { return value.is_null() ? std::nullopt : std::optional(value.get<double>()); }

std::vector<std::pair<double, double>> clips_of(const Json& times) {
  std::vector<std::pair<double, double>> clips;
  for (std::size_t i = 0; i < times.size(); i += 2) clips.emplace_back(times[i], i + 1 < times.size() ? times[i + 1].get<double>() : 1e9);
  return clips;
}

TranscriptionOptions options_of(const Json& c) {
  TranscriptionOptions options = test::usual_options();
  options.decoding.prompt = c["prompt"].get<TokenIds>();
  for (const auto& [key, value] : c["options"].items()) {
    if (key == "language") options.decoding.language = value.is_null() ? "" : value.get<std::string>();
    else if (key == "task") options.decoding.translate = value == "translate";
    else if (key == "beam_size") options.decoding.beam_size = value;
    else if (key == "patience") options.decoding.patience = value;
    else if (key == "best_of") options.decoding.best_of = value;
    else if (key == "without_timestamps") options.decoding.timestamps = !value.get<bool>();
    else if (key == "temperature")
      options.fallback.temperatures = value.is_array() ? value.get<std::vector<double>>() : std::vector<double>{value.get<double>()};
    else if (key == "compression_ratio_threshold") options.fallback.compression_ratio_threshold = number_of(value);
    else if (key == "logprob_threshold") options.fallback.logprob_threshold = number_of(value);
    else if (key == "no_speech_threshold") options.fallback.no_speech_threshold = number_of(value);
    else if (key == "condition_on_previous_text") options.condition_on_previous_text = value;
    else if (key == "carry_initial_prompt") options.carry_prompt = value;
    else if (key == "clip_timestamps") options.clips = clips_of(value);
    else if (key == "word_timestamps") options.word_times = value;
    else if (key == "hallucination_silence_threshold") options.hallucination_silence_threshold = value.get<double>();
    else if (key != "multilingual" && key != "initial_prompt") ADD_FAILURE() << key;
  }
  return options;
}

WhisperVocabulary vocabulary_of(const Json& c) {
  return test::vocabulary_of(test::fake_tokens(), c["options"].value("multilingual", true));
}

// A window of less than 40 ms has one frame of attention: openai-whisper divides zero by zero there, and puts words before it.
bool has_times(const Segment& segment, const Json& c) {
  return !c["options"].contains("word_timestamps") || c["frames"].get<std::int64_t>() - segment.seek >= 4;
}

void expect_same(const Segment& found, const Json& wanted, bool times) {
  EXPECT_EQ(found.id, wanted["id"]);
  EXPECT_EQ(found.seek, wanted["seek"]);
  if (times) {
    EXPECT_EQ(found.start, wanted["start"]);
    EXPECT_EQ(found.end, wanted["end"]);
  }
  EXPECT_EQ(found.text, wanted["text"]);
  EXPECT_EQ(found.tokens, wanted["tokens"].get<TokenIds>());
  EXPECT_EQ(found.temperature, wanted["temperature"]);
  EXPECT_NEAR(found.avg_logprob, wanted["avg_logprob"], 1e-5);
  EXPECT_EQ(found.compression_ratio, wanted["compression_ratio"]);
  EXPECT_NEAR(found.no_speech_prob.value(), wanted["no_speech_prob"], 1e-6);
  if (!wanted.contains("words")) return;
  ASSERT_EQ(found.words.size(), wanted["words"].size());
  for (std::size_t i = 0; i < found.words.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(found.words[i].word, wanted["words"][i]["word"]);
    if (times) {
      EXPECT_EQ(found.words[i].start, wanted["words"][i]["start"]);
      EXPECT_EQ(found.words[i].end, wanted["words"][i]["end"]);
    }
    EXPECT_NEAR(found.words[i].probability, wanted["words"][i]["probability"], 1e-6);
  }
}

TEST(Transcription, SegmentsAndWordsAsOpenAi) {
  THAW_NEEDS_PYTHON();
  std::size_t segments = 0, words = 0;
  const Json expected = test::reference("tasks/transcription/transcription_reference.py");
  for (const Json& c : expected["cases"]) {
    SCOPED_TRACE(fmt::format("recording {}, {} frames, {}", c["number"].get<int>(), c["frames"].get<int>(), c["options"].dump()));
    test::FakeDecoder decoder(test::fake_tokens());
    const at::Tensor features = test::with_silence(test::recording(c["number"], c["frames"]));
    const Transcript found = transcribe(decoder, vocabulary_of(c), features, options_of(c));
    const Json& wanted = c["result"];
    EXPECT_EQ(found.language, wanted["language"]);
    EXPECT_EQ(found.text, wanted["text"]);
    ASSERT_EQ(found.segments.size(), wanted["segments"].size());
    for (std::size_t i = 0; i < found.segments.size(); ++i) {
      SCOPED_TRACE(fmt::format("segment {}", i));
      expect_same(found.segments[i], wanted["segments"][i], has_times(found.segments[i], c));
      words += found.segments[i].words.size();
    }
    segments += found.segments.size();
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(segments, 100u);
  EXPECT_GT(words, 200u);
}

TEST(Transcription, ProgressReachesTheEnd) {
  THAW_NEEDS_PYTHON();
  test::FakeDecoder decoder(test::fake_tokens());
  TranscriptionOptions options = test::usual_options();
  std::vector<std::int64_t> done;
  options.progress = [&](std::int64_t frames, std::int64_t all) {
    done.push_back(frames);
    EXPECT_EQ(all, 9500);
  };
  transcribe(decoder, test::vocabulary_of(test::fake_tokens()), test::with_silence(test::recording(0, 9500)), options);
  ASSERT_FALSE(done.empty());
  EXPECT_EQ(done.back(), 9500);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
}

TEST(Transcription, AttentionIsProbabilities) {
  THAW_NEEDS_PYTHON();
  struct Scores : test::FakeDecoder {
    using FakeDecoder::FakeDecoder;
    at::Tensor cross_attention(const at::Tensor& read, const AttentionHeads& heads) override {
      return FakeDecoder::cross_attention(read, heads).log();
    }
  };
  Scores decoder(test::fake_tokens());
  TranscriptionOptions options = test::usual_options();
  options.word_times = true;
  EXPECT_THROW(transcribe(decoder, test::vocabulary_of(test::fake_tokens()), test::with_silence(test::recording(0, 9500)), options),
               ModelError);
}

TEST(Transcription, ContradictionsAreRefused) {
  THAW_NEEDS_PYTHON();
  test::FakeDecoder decoder(test::fake_tokens());
  const WhisperVocabulary vocabulary = test::vocabulary_of(test::fake_tokens()), english = test::vocabulary_of(test::fake_tokens(), false);
  const at::Tensor features = test::with_silence(test::recording(0, 500));
  TranscriptionOptions options = test::usual_options();
  options.hallucination_silence_threshold = 1;
  EXPECT_THROW(transcribe(decoder, vocabulary, features, options), UsageError);
  options = test::usual_options();
  options.word_times = true;
  options.words.heads.clear();
  EXPECT_THROW(transcribe(decoder, vocabulary, features, options), ModelError);
  options = test::usual_options();
  options.decoding.language = "de";
  EXPECT_THROW(transcribe(decoder, english, features, options), UsageError);
  options = test::usual_options();
  options.clips = {{3, 1}};
  EXPECT_THROW(transcribe(decoder, vocabulary, features, options), UsageError);
  EXPECT_THROW(transcribe(decoder, vocabulary, test::recording(0, 500), test::usual_options()), DataError);
}

}  // namespace
}  // namespace thaw
