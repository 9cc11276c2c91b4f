// BERT against transformers in double precision: logits, loss and every gradient.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/variable.h>
#include <unistd.h>

#include <filesystem>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/hash.h"
#include "framework/models/registry.h"
#include "framework/tasks/classification.h"
#include "framework/tensor/safetensors.h"
#include "tests/support/reference.h"
#include "tests/support/relative_error.h"

namespace thaw {
namespace {

// Where the Python reference wrote its cases; empty where there is no reference to ask.
const fs::path& bert_cases() {
  static const fs::path made = [] {
    if (!test::python()) return fs::path();
    const fs::path minilm = THAW_SOURCE_DIR "/build/models/all-MiniLM-L6-v2";
    return fs::exists(minilm) ? test::reference_folder("models/bert_reference.py", fmt::format("'{}'", minilm.string()), "-minilm")
                              : test::reference_folder("models/bert_reference.py");
  }();
  return made;
}

class BertParity : public ::testing::TestWithParam<const char*> {};

TEST_P(BertParity, LogitsLossAndEveryGradient) {
  if (bert_cases().empty()) GTEST_SKIP() << "no Python environment with transformers (cluster/setup.sh --tests makes it)";
  const fs::path directory = bert_cases() / GetParam();
  if (!fs::exists(directory)) GTEST_SKIP() << directory << " is not there: no MiniLM weights (cluster/setup.sh brings them)";
  const SafetensorsFile expected(directory / "reference.safetensors");
  const JsonFile config(directory / "config.json");
  const std::string problem = config.view().text_or("problem_type", "single_label_classification");
  Loss loss;
  loss.problem = problem == "regression"                   ? Problem::regression
                 : problem == "multi_label_classification" ? Problem::multi_label
                                                           : Problem::single_label;
  const at::Tensor logits = expected.tensor("logits");
  LoadReport report;
  const auto model = load_model(directory, {logits.size(1)}, 1, &report);
  EXPECT_TRUE(report.initialised.empty());
  EXPECT_TRUE(report.unused.empty());
  model->set_precision(at::kFloat);
  model->set_learning(std::vector<bool>(model->parameters.size(), true));

  std::vector<std::int64_t> cu_seqlens{0};
  std::vector<at::Tensor> positions;
  const at::Tensor lengths = expected.tensor("lengths");
  for (std::int64_t row = 0; row < lengths.size(0); ++row) {
    const auto length = lengths[row].item<std::int64_t>();
    cu_seqlens.push_back(cu_seqlens.back() + length);
    positions.push_back(at::arange(length));
  }
  const Context context{expected.tensor("ids"), expected.tensor("types"), at::cat(positions)};
  const at::Tensor ours = model->forward(cu_seqlens, context);
  at::Tensor labels = expected.tensor("labels");
  if (loss.problem != Problem::single_label) labels = labels.to(at::kFloat);
  const at::Tensor mean = loss.sum(ours, {labels, at::ones({ours.size(0)})}) / ours.size(0);
  EXPECT_LE(test::relative_error(ours.detach(), logits, 0), 1e-5);
  EXPECT_LE(test::relative_error(mean.detach(), expected.tensor("loss"), 0), 1e-5);
  mean.backward();
  double largest = 0;
  for (const Parameter& parameter : model->parameters)
    largest = std::max(largest, expected.tensor("grad/" + parameter.name).abs().max().item<double>());
  for (const Parameter& parameter : model->parameters) {
    ASSERT_TRUE(parameter.working.grad().defined()) << parameter.name;
    at::Tensor gradient = parameter.working.grad();
    if (gradient.is_sparse()) gradient = gradient.to_dense();
    // A key's bias moves no softmax: its gradient is zero but for rounding, hence the floor.
    EXPECT_LE(test::relative_error(gradient, expected.tensor("grad/" + parameter.name), 0.02 * largest), 1e-5) << parameter.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Transformers, BertParity,
                         ::testing::Values("plain", "odd", "relu_multi", "tanh_regression", "sharded", "bare_names", "minilm"),
                         [](const auto& tested) { return std::string(tested.param); });

// config.json and weights that lie: each refused by name.
class BertRefusal : public ::testing::Test {
 protected:
  Json config = {{"model_type", "bert"},   {"hidden_size", 12}, {"num_hidden_layers", 1},       {"num_attention_heads", 3},
                 {"intermediate_size", 8}, {"vocab_size", 10},  {"max_position_embeddings", 16}};
  std::string refusal(const Json& changed) {
    try {
      build_model(JsonView(changed, "config.json"), {});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_data);
      return error.what();
    }
    return "accepted";
  }
  Json with(const char* key, Json value) const {
    Json changed = config;
    changed[key] = std::move(value);
    return changed;
  }
};

TEST_F(BertRefusal, NamesKeyExpectedAndFound) {
  EXPECT_EQ(refusal(config), "accepted");
  EXPECT_EQ(
      refusal(with("model_type", "mamba")),
      "config.json: model_type: 'mamba' is an architecture that Thaw does not know; it knows: bert, hubert, wav2vec2, wavlm, whisper");
  EXPECT_EQ(refusal(with("hidden_size", "large")), "config.json: hidden_size: expected an integer, found \"large\"");
  EXPECT_EQ(refusal(with("num_attention_heads", 5)), "config.json: num_attention_heads: expected a divisor of hidden_size 12, found 5");
  EXPECT_EQ(refusal(with("hidden_dropout_prob", 1.5)), "config.json: hidden_dropout_prob: expected a probability in [0, 1), found 1.5");
  EXPECT_EQ(refusal(with("num_hidden_layers", -1)), "config.json: num_hidden_layers: expected an integer from 1 to 1000, found -1");
  EXPECT_EQ(refusal(with("hidden_act", "swish2")).substr(0, 24), "config.json: hidden_act:");
  Json missing = config;
  missing.erase("vocab_size");
  EXPECT_EQ(refusal(missing), "config.json: expected the key 'vocab_size', which is missing");
}

}  // namespace
}  // namespace thaw
