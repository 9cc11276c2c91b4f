// Scores of pronunciation from made posteriors whose answer is known.
#include "framework/tasks/pronunciation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace thaw {
namespace {

using Ids = std::vector<std::int64_t>;
constexpr std::int64_t blank = 0, a = 1, b = 2, c = 3, delimiter = 4, vocabulary = 5;

// Frames in which the labels of `spoken` have 0.92 of the probability and each other 0.02.
at::Tensor clear(const Ids& spoken) {
  at::Tensor frames = at::full({static_cast<std::int64_t>(spoken.size()), vocabulary}, 0.02, at::kDouble);
  for (std::size_t t = 0; t < spoken.size(); ++t) frames[static_cast<std::int64_t>(t)][spoken[t]] = 0.92;
  return frames;
}

void set(at::Tensor frames, std::int64_t frame, const std::vector<double>& probabilities) {
  frames[frame].copy_(at::tensor(probabilities));
}

Pronunciation judge(const at::Tensor& frames, const Ids& ids) { return judge_pronunciation(frames.log(), ids, blank, delimiter); }

const Ids spoken = {blank, a, b, b, blank, delimiter, c, blank, a, blank}, sentence = {a, b, delimiter, c, a};

TEST(Pronunciation, AllRight) {
  const Pronunciation judged = judge(clear(spoken), sentence);
  EXPECT_NEAR(judged.score, 100, 1e-9);
  ASSERT_EQ(judged.words.size(), 2u);
  EXPECT_EQ(judged.words[0].heard, (Ids{a, b}));
  EXPECT_EQ(judged.words[1].heard, (Ids{c, a}));
  for (const TokenPronunciation& token : judged.tokens) {
    EXPECT_TRUE(token.right());
    EXPECT_NEAR(token.score, 100, 1e-9);
    EXPECT_NEAR(token.span.score, 0.92, 1e-6);
  }
}

// "c" is twice as probable where "b" should be, in one of its frames, and as probable as "b" in the other.
TEST(Pronunciation, AnotherSound) {
  at::Tensor frames = clear(spoken);
  set(frames, 2, {0.02, 0.02, 0.3, 0.6, 0.06});
  set(frames, 3, {0.02, 0.02, 0.45, 0.45, 0.06});
  const Pronunciation judged = judge(frames, sentence);
  EXPECT_NEAR(judged.tokens[1].score, 100 * std::sqrt(0.5), 1e-6);
  EXPECT_EQ(judged.tokens[1].heard, c);
  EXPECT_FALSE(judged.tokens[1].right());
  EXPECT_NEAR(judged.words[0].score, 100 * std::pow(0.5, 0.25), 1e-6);
  EXPECT_NEAR(judged.words[1].score, 100, 1e-9);
  EXPECT_NEAR(judged.score, 100 * std::pow(0.5, 0.125), 1e-6);
}

TEST(Pronunciation, NothingWhereASoundShouldBe) {
  at::Tensor frames = clear({blank, a, blank, blank, blank, delimiter, c, blank, a, blank});
  set(frames, 3, {0.9, 0.01, 0.03, 0.01, 0.05});  // where "b" is least improbable
  const Pronunciation judged = judge(frames, sentence);
  EXPECT_EQ(judged.tokens[1].span.first_frame, 3);
  EXPECT_EQ(judged.tokens[1].heard, std::nullopt);
  EXPECT_NEAR(judged.tokens[1].score, 100 * 0.03 / 0.9, 1e-6);
  EXPECT_EQ(judged.words[0].heard, (Ids{a}));
}

TEST(Pronunciation, ASoundTooMany) {
  const Pronunciation judged = judge(clear({blank, a, blank, c, blank, b, delimiter, c, a, blank}), sentence);
  EXPECT_NEAR(judged.words[0].score, 100 * std::sqrt(1), 1e-6) << "what should be said was said";
  EXPECT_EQ(judged.words[0].heard, (Ids{a, c, b}));
}

TEST(Pronunciation, RisesWithThePosterior) {
  double before = 0;
  for (int step = 1; step < 100; ++step) {
    const double p = step / 100.0;
    at::Tensor frames = clear(spoken);
    for (const std::int64_t frame : {2, 3}) set(frames, frame, {0.1 * (1 - p), 0.1 * (1 - p), p, 0.7 * (1 - p), 0.1 * (1 - p)});
    const Pronunciation judged = judge(frames, sentence);
    const double score = judged.tokens[1].score;
    EXPECT_NEAR(score, 100 * std::min(1.0, p / (0.7 * (1 - p))), 1e-4);
    if (before < 99.9) EXPECT_GT(score, before) << p;
    else EXPECT_NEAR(score, 100, 1e-4) << p;
    EXPECT_EQ(judged.tokens[1].right(), p >= 0.7 * (1 - p)) << p;
    before = score;
  }
  EXPECT_NEAR(before, 100, 1e-9);
}

TEST(Pronunciation, PosteriorsOfZero) {
  at::Tensor frames = at::zeros({3, vocabulary}, at::kDouble);
  for (std::int64_t t = 0; t < 3; ++t) frames[t][c] = 1;
  const Pronunciation judged = judge(frames, {a});
  EXPECT_NEAR(judged.score, 100 * std::exp(-20), 1e-9);
  EXPECT_EQ(judged.tokens[0].heard, c);
  EXPECT_EQ(judge(frames, {}).score, 0);
  EXPECT_TRUE(judge(frames, {}).words.empty());
}

}  // namespace
}  // namespace thaw
