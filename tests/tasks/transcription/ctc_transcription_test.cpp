// Frames of made probabilities: how windows are joined, where segments are cut, and what a beam search changes. What transformers
// makes of a whole model's frames, tests/launcher/transcribe_ctc_test.cpp asks.
#include "framework/tasks/transcription/ctc_transcription.h"

#include <gtest/gtest.h>

#include <cmath>

#include "datasets/tokenizers/ctc_vocabulary.h"
#include "datasets/tokenizers/ctc_vocabulary_files.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

constexpr double frame_s = 0.02;

const CtcVocabulary& vocabulary() {
  static const CtcVocabulary made = [] {
    CtcSettings settings;
    settings.vocabulary = {{"<pad>", 0}, {"|", 1}, {"a", 2}, {"b", 3}, {"<unk>", 4}};
    return CtcVocabulary(settings);
  }();
  return made;
}

CtcAlphabet alphabet() {
  CtcAlphabet out;
  out.text = [](std::span<const std::int64_t> labels) { return vocabulary().decode_labels(labels); };
  out.words = [](std::span<const std::int64_t> labels) {
    std::vector<CtcWord> words;
    for (const CtcVocabulary::Word& word : vocabulary().words(labels))
      words.push_back({word.text, static_cast<std::int64_t>(word.start), static_cast<std::int64_t>(word.end)});
    return words;
  };
  return out;
}

// A frame a character: '-' is the blank. What is said has 0.8 of the probability.
CtcEmissions spoken(const std::string& frames, std::int64_t first_frame = 0) {
  at::Tensor p = at::full({static_cast<std::int64_t>(frames.size()), 5}, 0.05);
  for (std::size_t t = 0; t < frames.size(); ++t)
    p[static_cast<std::int64_t>(t)][static_cast<std::int64_t>(std::string("-|ab").find(frames[t]))] = 0.8;
  return {first_frame, p.log()};
}

Transcript transcript(const std::vector<CtcEmissions>& heard, const CtcTranscriptionOptions& options = {}) {
  return ctc_transcript(heard, alphabet(), frame_s, options);
}

TEST(CtcTranscription, WordsWhereTheyAreSaid) {
  const Transcript found = transcript({spoken("--aab-|-bb-b--", 100)});
  EXPECT_EQ(found.text, "ab bb");
  ASSERT_EQ(found.segments.size(), 1U);
  const Segment& segment = found.segments[0];
  EXPECT_EQ(segment.seek, 200);
  EXPECT_EQ(segment.tokens, (std::vector<std::int64_t>{2, 3, 1, 3, 3}));
  EXPECT_NEAR(segment.avg_logprob, std::log(0.8), 1e-6);
  ASSERT_EQ(segment.words.size(), 2U);
  EXPECT_EQ(segment.words[1].word, " bb");
  EXPECT_NEAR(segment.words[0].start, 2.04, 1e-9);
  EXPECT_NEAR(segment.words[0].end, 2.10, 1e-9);
  EXPECT_NEAR(segment.words[1].start, 2.16, 1e-9);
  EXPECT_NEAR(segment.words[1].end, 2.24, 1e-9);
  EXPECT_NEAR(segment.words[1].probability, 0.8, 1e-6);
  EXPECT_EQ(segment.words[1].tokens, (std::vector<std::int64_t>{3, 3}));
  EXPECT_FALSE(segment.no_speech_prob);
}

TEST(CtcTranscription, SegmentsEndAtPausesAndBeforeTheyAreTooLong) {
  const std::string pause(26, '-'), short_pause(22, '-');
  const Transcript paused = transcript({spoken("a|" + pause + "b" + short_pause + "|a")});
  ASSERT_EQ(paused.segments.size(), 2U);
  EXPECT_EQ(paused.segments[0].text, "a");
  EXPECT_EQ(paused.segments[1].text, "b a");
  EXPECT_EQ(paused.text, "a b a");

  std::string words;  // of a tenth of a second each, without pauses but for a short one behind the 60th
  for (int i = 0; i < 150; ++i) words += i == 60 ? "---aaa|-" : "aaa|-";
  const Transcript cut = transcript({spoken(words)});
  ASSERT_EQ(cut.segments.size(), 2U);
  EXPECT_EQ(cut.segments[0].words.size(), 60U);
  EXPECT_EQ(cut.segments[1].words.size(), 90U);
  EXPECT_TRUE(transcript({spoken("----")}).segments.empty());
  EXPECT_TRUE(transcript({}).text.empty());
}

// The best path says nothing: two frames of 0.6 for a blank. All paths that say "a" together are more probable (Graves, 2006, figure 4).
TEST(CtcTranscription, ABeamSearchFindsWhatTheBestPathMisses) {
  at::Tensor p = at::full({2, 5}, 1e-6);
  p.select(1, 0).fill_(0.6);
  p.select(1, 2).fill_(0.4);
  EXPECT_EQ(transcript({{0, p.log()}}).text, "");
  CtcTranscriptionOptions options;
  options.beams = 4;
  const Transcript found = transcript({{0, p.log()}}, options);
  EXPECT_EQ(found.text, "a");
  ASSERT_EQ(found.segments.size(), 1U);
  EXPECT_NEAR(found.segments[0].words.at(0).probability, 0.4, 1e-6);
  EXPECT_EQ(transcript({spoken("--aab-|-bb-b--")}, options).text, "ab bb");
  options.beams = -1;
  EXPECT_THROW(transcript({}, options), UsageError);
}

// The delimiter before a pause is the best label of its frame; all paths without it are more probable together.
TEST(CtcTranscription, SegmentsOfABeamSearchAreWordsApart) {
  at::Tensor p = at::full({29, 5}, 1e-6);
  p.narrow(0, 2, 26).select(1, 0) = 0.999;
  p[0][2] = p[28][3] = 0.999;
  p[1][0] = 0.44;
  p[1][1] = 0.46;
  p[1][2] = 0.1;
  CtcTranscriptionOptions options;
  options.beams = 8;
  const Transcript found = transcript({{0, p.log()}}, options);
  ASSERT_EQ(found.segments.size(), 2U);
  EXPECT_EQ(found.segments[0].tokens, std::vector<std::int64_t>{2});
  EXPECT_EQ(found.text, "a b");
}

// Frames that say where they are, and which window they were heard in.
TEST(CtcTranscription, WindowsAreJoinedInTheMiddleOfWhatTheyShare) {
  const std::vector<float> samples = [] {
    std::vector<float> numbered(16000 * 10);
    for (std::size_t i = 0; i < numbered.size(); ++i) numbered[i] = static_cast<float>(i);
    return numbered;
  }();
  CtcAcousticModel model;
  model.lengths = {{10, 3, 3, 3, 3, 2, 2}, {5, 2, 2, 2, 2, 2, 2}};
  double window = 0;
  model.log_probs = [&](std::span<const float> part) {
    const std::int64_t frames = model.lengths.frames_of(static_cast<std::int64_t>(part.size()));
    const at::Tensor first = at::arange(frames) * 320 + static_cast<double>(part[0]);
    return at::stack({first.to(at::kDouble), at::full({frames}, ++window, at::kDouble)}, 1);
  };
  EXPECT_EQ(model.samples_a_frame(), 320);
  const std::vector<CtcEmissions> heard = ctc_emissions(model, samples, {{0, 3.01}, {2.01, 5}, {6, 6.02}, {7, 99}});
  ASSERT_EQ(heard.size(), 2U) << "20 ms are no frame";
  EXPECT_EQ(heard[0].first_frame, 0);
  EXPECT_EQ(heard[0].log_probs.size(0), 100 + 149);  // from frame 100 on, 149 of 5 s − 2 s
  EXPECT_TRUE(at::equal(heard[0].log_probs.select(1, 0), at::arange(249).to(at::kDouble) * 320));
  EXPECT_EQ((heard[0].log_probs.select(1, 1) == 1).sum().item<std::int64_t>(), (100 + 150) / 2);  // the first window has 150
  EXPECT_EQ(heard[1].first_frame, 350);
  EXPECT_EQ(heard[1].log_probs[0][0].item<double>(), 7 * 16000);
  EXPECT_THROW(ctc_emissions(model, samples, {{3, 4}, {2, 5}}), DataError);
}

}  // namespace
}  // namespace thaw
