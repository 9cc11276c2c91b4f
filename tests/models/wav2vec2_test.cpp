// wav2vec 2.0, HuBERT and WavLM against transformers in double precision, a row at a time: logits and every gradient, of
// rows that are packed.
#include "framework/models/wav2vec2.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>

#include "framework/base/error.h"
#include "framework/models/frame_lengths.h"
#include "framework/models/registry.h"
#include "framework/models/spec_augment.h"
#include "framework/tensor/safetensors.h"
#include "tests/models/wav2vec2_cases.h"
#include "tests/support/relative_error.h"

namespace thaw {
namespace {

using test::SpeechCase;

class Wav2Vec2Parity : public ::testing::TestWithParam<const char*> {};

TEST_P(Wav2Vec2Parity, LogitsAndEveryGradient) {
  THAW_NEEDS_PYTHON();
  const SpeechCase tested(GetParam());
  LoadReport report;
  const auto model = tested.load(&report);
  EXPECT_TRUE(report.initialised.empty());
  EXPECT_TRUE(report.unused.empty());
  model->set_learning(std::vector<bool>(model->parameters.size(), true));
  const at::Tensor logits = model->forward(tested.cu_seqlens, tested.context), expected = tested.expected.tensor("logits");
  ASSERT_EQ(logits.sizes(), expected.sizes());
  EXPECT_LE(test::relative_error(logits.detach(), expected, 0), 1e-4);
  (logits * tested.expected.tensor("weights").to(at::kFloat)).sum().backward();
  double largest = 0;
  for (const Parameter& parameter : model->parameters)
    largest = std::max(largest, tested.expected.tensor("grad/" + parameter.name).abs().max().item<double>());
  for (const Parameter& parameter : model->parameters) {
    const at::Tensor& gradient = parameter.working.grad();
    if (parameter.name.ends_with("masked_spec_embed")) {  // read while training alone
      EXPECT_FALSE(gradient.defined());
      continue;
    }
    ASSERT_TRUE(gradient.defined()) << parameter.name;
    // A key's bias moves no softmax: its gradient is zero but for rounding, hence the floor.
    EXPECT_LE(test::relative_error(gradient, tested.expected.tensor("grad/" + parameter.name), 0.02 * largest), 1e-4) << parameter.name;
  }
}

// What a row gives does not depend on the rows beside it, nor on their order.
TEST_P(Wav2Vec2Parity, PackedRowsAreTheRowsAlone) {
  THAW_NEEDS_PYTHON();
  const SpeechCase tested(GetParam());
  const auto model = tested.load();
  const at::NoGradGuard no_graph;
  const at::Tensor together = model->forward(tested.cu_seqlens, tested.context);
  std::vector<at::Tensor> alone;
  for (std::size_t row = 0; row + 1 < tested.cu_seqlens.size(); ++row) {
    const std::int64_t start = tested.cu_seqlens[row], length = tested.cu_seqlens[row + 1] - start;
    Context context;
    context.features = tested.context.features.narrow(0, start, length).unsqueeze(1);  // [samples, 1] is as good
    alone.push_back(model->forward({0, length}, context));
  }
  EXPECT_LE(test::relative_error(together, at::cat(alone).to(at::kDouble), 0), 1e-5);
}

TEST_P(Wav2Vec2Parity, Bf16IsClose) {
  THAW_NEEDS_PYTHON();
  const SpeechCase tested(GetParam());
  const auto model = tested.load();
  model->set_precision(at::kBFloat16);
  const at::NoGradGuard no_graph;
  const at::Tensor logits = model->forward(tested.cu_seqlens, tested.context), expected = tested.expected.tensor("logits");
  EXPECT_EQ(logits.scalar_type(), at::kFloat);
  const double error = ((logits - expected).square().mean() / expected.square().mean()).sqrt().item<double>();
  EXPECT_LE(error, 0.03);
}

INSTANTIATE_TEST_SUITE_P(Transformers, Wav2Vec2Parity, ::testing::ValuesIn(test::speech_cases()),
                         [](const auto& tested) { return std::string(tested.param); });

// Training with all dropouts off: transformers is given the masks that are drawn here.
class Wav2Vec2Masks : public ::testing::TestWithParam<const char*> {};

TEST_P(Wav2Vec2Masks, WhileTrainingAreWhatTransformersMakesOfThem) {
  THAW_NEEDS_PYTHON();
  const SpeechCase tested(GetParam());
  Json config = JsonFile(tested.directory / "config.json").raw();
  config["feat_proj_dropout"] = config["layerdrop"] = 0;
  const auto model = tested.load(nullptr, 0, &config);
  model->set_learning(std::vector<bool>(model->parameters.size(), true));
  Context context = tested.context;
  context.training = true;
  context.random_key = 5;
  context.first_row = 17;
  const at::Tensor logits = model->forward(tested.cu_seqlens, context);

  const auto mask = [&](const char* axis) {
    const auto of = [&](const char* what) { return config[fmt::format("mask_{}_{}", axis, what)]; };
    return SpanMask{of("prob"), of("length"), of("min_masks")};
  };
  std::vector<std::int64_t> frames{0}, features{0};
  for (std::size_t row = 0; row + 1 < tested.cu_seqlens.size(); ++row) {
    const std::int64_t samples = tested.cu_seqlens[row + 1] - tested.cu_seqlens[row];
    frames.push_back(frames.back() + frame_lengths(JsonView(config, "config.json")).frames_of(samples));
    features.push_back(features.back() + model->width);
  }
  const at::Tensor spans = masked_spans(mask("time"), frames, context.row_site(mask("time").share, 1, 1));
  const at::Tensor dropped = masked_spans(mask("feature"), features, context.row_site(mask("feature").share, 1, 2));
  EXPECT_GT(spans.sum().item<std::int64_t>(), 0);
  EXPECT_GT(dropped.sum().item<std::int64_t>(), 0);
  const at::Tensor expected = tested.with_masks({{"time", spans}, {"features", dropped.view({-1, model->width})}});
  EXPECT_LE(test::relative_error(logits.detach(), expected, 0), 1e-4);
  EXPECT_GT(test::relative_error(logits.detach(), tested.expected.tensor("logits"), 0), 0.01) << "masks change nothing";

  logits.sum().backward();
  const Parameter* const embed = model->find(model->architecture + ".masked_spec_embed");
  ASSERT_TRUE(embed != nullptr && embed->working.grad().defined());
  EXPECT_GT(embed->working.grad().abs().max().item<double>(), 0);
}
INSTANTIATE_TEST_SUITE_P(Transformers, Wav2Vec2Masks, ::testing::Values("wav2vec2_base_ctc", "wav2vec2_large_ctc", "hubert_base_classes"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace thaw
