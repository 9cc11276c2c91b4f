// CTC against torch's loss and gradients, every path of small cases, slow searches in Python, and torchaudio's forced_align.
#include "framework/tasks/ctc.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/base/error.h"
#include "framework/tasks/ctc_align.h"
#include "framework/tasks/ctc_decode.h"
#include "framework/tasks/pronunciation.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

using Ids = std::vector<std::int64_t>;

const Json& expected() {
  static const Json read = test::reference("tasks/ctc_reference.py");
  return read;
}

at::Tensor matrix(const Json& rows) {
  at::Tensor values = at::empty({static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows[0].size())});
  float* to = values.data_ptr<float>();
  for (const Json& row : rows)
    for (const Json& value : row) *to++ = value.get<float>();
  return values;
}

TEST(CtcLoss, LossAndGradientsAsTorch) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["losses"]) {
    const bool half = c["dtype"] == "bfloat16";
    const at::Tensor logits = matrix(c["logits"]).to(half ? at::kBFloat16 : at::kFloat).requires_grad_(true);
    Targets targets{{}, at::tensor(c["weights"].get<std::vector<float>>()), {0}};
    Ids cu_seqlens = {0}, labels;
    for (std::size_t row = 0; row < c["frames"].size(); ++row) {
      const Ids ids = c["ids"][row];
      labels.insert(labels.end(), ids.begin(), ids.end());
      targets.cu_seqlens.push_back(static_cast<std::int64_t>(labels.size()));
      cu_seqlens.push_back(cu_seqlens.back() + c["frames"][row].get<std::int64_t>());
      EXPECT_EQ(ctc_frames_needed(ids) > c["frames"][row].get<std::int64_t>(), c["by_row"][row] == 0.0) << c["ids"][row];
    }
    targets.labels = at::tensor(labels, at::kLong);
    const CtcLoss loss{c["blank"], c["zero_infinity"]};
    const at::Tensor by_row = loss.by_row(logits, cu_seqlens, targets);
    EXPECT_EQ(by_row.scalar_type(), at::kFloat);
    for (std::int64_t row = 0; row < by_row.size(0); ++row) {
      const double said = c["by_row"][static_cast<std::size_t>(row)];
      EXPECT_NEAR(by_row[row].item<double>(), said, 1e-5 * (1 + said));
    }
    EXPECT_NEAR(by_row.sum().item<double>(), c["sum"], 1e-5 * c["sum"].get<double>());
    const at::Tensor sum = loss.sum(logits, cu_seqlens, targets);
    EXPECT_NEAR(sum.item<double>(), c["weighted"], 1e-5 * c["weighted"].get<double>());
    sum.backward();
    const at::Tensor gradient = logits.grad().to(at::kFloat), judge = matrix(c["gradient"]);
    EXPECT_LT((gradient - judge).abs().max().item<double>(), half ? 4e-3 : 2e-6);
    EXPECT_GT(judge.abs().max().item<double>(), 0.1);
    EXPECT_EQ(gradient.slice(0, cu_seqlens.back()).abs().max().item<double>(), 0) << "what stands past the last row learns nothing";
  }
}

TEST(CtcLoss, RowsThatAreTooShort) {
  const at::Tensor logits = at::randn({3, 4}).requires_grad_(true);
  const Ids ids = {1, 1, 2};
  const Targets targets{at::tensor(ids), at::ones({1}), {0, 3}};
  EXPECT_TRUE(std::isinf(CtcLoss{0, false}.sum(logits, {0, 3}, targets).item<double>()));
  const at::Tensor zero = CtcLoss{0, true}.sum(logits, {0, 3}, targets);
  EXPECT_EQ(zero.item<double>(), 0);
  zero.backward();
  EXPECT_EQ(logits.grad().abs().max().item<double>(), 0);
  EXPECT_EQ(ctc_frames_needed(ids), 4);
}

// Rows of silence: only blanks spell nothing.
TEST(CtcLoss, NothingSaid) {
  const at::Tensor logits = at::randn({5, 4}), blanks = at::log_softmax(logits, 1).select(1, 0);
  const at::Tensor by_row = CtcLoss{}.by_row(logits, {0, 2, 5}, {at::empty({0}, at::kLong), at::ones({2}), {0, 0, 0}});
  EXPECT_NEAR(by_row[0].item<double>(), -blanks.slice(0, 0, 2).sum().item<double>(), 1e-5);
  EXPECT_NEAR(by_row[1].item<double>(), -blanks.slice(0, 2, 5).sum().item<double>(), 1e-5);
  EXPECT_EQ(CtcLoss{}.sum(logits.narrow(0, 0, 0), {0}, {at::empty({0}, at::kLong), at::ones({0}), {0}}).item<double>(), 0);
}

TEST(CtcDecode, BestPath) {
  const at::Tensor frames =
      at::tensor({-9., -1., -9., -9., -1., -9., -1., -9., -9., -9., -1., -9., -9., -9., -1., -9., -9., -1.}).view({6, 3});
  const CtcLabels found = ctc_greedy(frames, 0);
  EXPECT_EQ(found.ids, (Ids{1, 1, 2}));
  EXPECT_EQ(found.first_frame, (Ids{0, 3, 4}));
  EXPECT_EQ(found.last_frame, (Ids{1, 3, 5}));
  EXPECT_DOUBLE_EQ(found.log_probability, -6);
  EXPECT_TRUE(ctc_greedy(at::empty({0, 3}), 0).ids.empty());
}

// A beam that holds every prefix finds each labelling's whole probability: the sum over all its paths.
TEST(CtcDecode, WideBeamsAsAllPaths) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["small"]) {
    const auto found = ctc_beam_search(matrix(c["log_probs"]), {.blank = c["blank"], .width = 100000});
    const Json& all = c["labellings"];
    ASSERT_EQ(found.size(), all.size());
    double sum = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(found[i].ids, all[i][0].get<Ids>());
      ASSERT_NEAR(found[i].log_probability, all[i][1], 1e-6);
      sum += std::exp(found[i].log_probability);
    }
    EXPECT_NEAR(sum, 1, 1e-6);
  }
}

TEST(CtcDecode, NarrowBeamsAsTheSlowSearch) {
  THAW_NEEDS_PYTHON();
  const auto compare = [](const Json& log_probs, std::int64_t blank, std::size_t width, const Json& said) {
    const auto found = ctc_beam_search(matrix(log_probs), {.blank = blank, .width = width});
    ASSERT_EQ(found.size(), said.size());
    for (std::size_t i = 0; i < said.size(); ++i) {
      ASSERT_EQ(found[i].ids, said[i][0].get<Ids>()) << "width " << width;
      ASSERT_NEAR(found[i].log_probability, said[i][1], 1e-5);
    }
  };
  for (const Json& c : expected()["small"])
    for (const auto& [width, said] : c["beams"].items()) compare(c["log_probs"], c["blank"], std::stoul(width), said);
  for (const Json& c : expected()["beams"]) compare(c["log_probs"], c["blank"], c["width"], c["beam"]);
}

TEST(CtcDecode, UnlikelyLabelsExtendNothing) {
  const at::Tensor frames = at::tensor({0.6, 0.3, 0.1, 0.1, 0.7, 0.2}).view({2, 3}).log();
  EXPECT_EQ(ctc_beam_search(frames, {.blank = 0, .width = 100}).size(), 5u);
  const auto found = ctc_beam_search(frames, {.blank = 0, .width = 100, .least_log_probability = std::log(0.25)});
  ASSERT_EQ(found.size(), 2u);  // "1" and nothing
  EXPECT_EQ(found[0].ids, Ids{1});
  EXPECT_NEAR(found[0].log_probability, std::log(0.6 * 0.7 + 0.3 * 0.1 + 0.3 * 0.7), 1e-6);
}

TEST(CtcAlign, BestOfAllPaths) {
  THAW_NEEDS_PYTHON();
  int alignments = 0;
  for (const Json& c : expected()["small"])
    for (const Json& a : c["alignments"]) {
      const Ids ids = a["ids"];
      const CtcAlignment found = ctc_align(matrix(c["log_probs"]), ids, c["blank"]);
      ASSERT_EQ(found.path, a["path"].get<Ids>()) << a["ids"];
      ASSERT_NEAR(found.log_probability, a["score"], 1e-5);
      const Pronunciation judged = judge_pronunciation(matrix(c["log_probs"]), ids, c["blank"]);
      ASSERT_EQ(judged.tokens.size(), ids.size());
      for (std::size_t i = 0; i < ids.size(); ++i) ASSERT_NEAR(judged.tokens[i].score, a["gop"][i], 1e-4);
      ++alignments;
    }
  EXPECT_GT(alignments, 300);
}

TEST(CtcAlign, AsTorchaudio) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["alignments"]) {
    const Ids ids = c["ids"];
    const CtcAlignment found = ctc_align(matrix(c["log_probs"]), ids, 0);
    Ids labels;
    for (const std::int64_t place : found.path) labels.push_back(place < 0 ? 0 : ids[static_cast<std::size_t>(place)]);
    EXPECT_EQ(labels, c["path"].get<Ids>());
    for (std::size_t t = 0; t < found.path.size(); ++t) EXPECT_FLOAT_EQ(found.log_probs[t], c["scores"][t].get<float>());
  }
}

TEST(CtcAlign, TimesOfLabelsAndWords) {
  // blank, then "a" for two frames, "b", a delimiter, a blank, "a", a blank: labels 1 and 2, delimiter 3
  const Ids spoken = {0, 1, 1, 2, 3, 0, 1, 0};
  at::Tensor frames = at::full({8, 4}, std::log(0.1));
  for (std::int64_t t = 0; t < 8; ++t) frames[t][spoken[static_cast<std::size_t>(t)]] = std::log(t == 3 ? 0.4 : 0.7);
  const Ids ids = {1, 2, 3, 1};
  const CtcAlignment found = ctc_align(frames, ids, 0);
  EXPECT_EQ(found.path, (Ids{-1, 0, 0, 1, 2, -1, 3, -1}));
  const auto labels = label_spans(found);
  ASSERT_EQ(labels.size(), 4u);
  EXPECT_EQ(labels[0].first_frame, 1);
  EXPECT_EQ(labels[0].end_frame, 3);
  EXPECT_NEAR(labels[0].score, 0.7, 1e-6);
  EXPECT_NEAR(labels[1].score, 0.4, 1e-6);
  const auto ranges = word_ranges(ids, 3);
  const auto words = word_spans(found, ranges);
  ASSERT_EQ(words.size(), 2u);
  EXPECT_EQ(ranges[0].end, 2u);
  EXPECT_DOUBLE_EQ(words[0].start_s(0.02), 0.02);
  EXPECT_DOUBLE_EQ(words[0].end_s(0.02), 0.08);
  EXPECT_NEAR(words[0].score, std::cbrt(0.7 * 0.7 * 0.4), 1e-6);
  EXPECT_DOUBLE_EQ(words[1].start_s(0.02), 0.12);
  EXPECT_EQ(word_ranges(ids, std::nullopt).size(), 1u);
  EXPECT_TRUE(word_ranges(Ids{3, 3}, 3).empty());
}

TEST(CtcAlign, Refusals) {
  const at::Tensor frames = at::zeros({3, 4});
  EXPECT_THROW(ctc_align(frames, {1, 1, 2}, 0), DataError);  // needs four
  EXPECT_THROW(ctc_align(frames, {4}, 0), DataError);
  EXPECT_THROW(ctc_align(frames, {0}, 0), DataError);
  EXPECT_THROW(ctc_align(at::zeros({3, 4}).log(), {1}, 0), DataError);
  EXPECT_EQ(ctc_align(frames, {}, 0).path, (Ids{-1, -1, -1}));
  EXPECT_TRUE(ctc_align(at::zeros({0, 4}), {}, 0).path.empty());
}

}  // namespace
}  // namespace thaw
