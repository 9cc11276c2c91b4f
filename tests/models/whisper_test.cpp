// Whisper against transformers in double precision: logits, loss and every gradient.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/variable.h>
#include <unistd.h>

#include <filesystem>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/hash.h"
#include "framework/models/registry.h"
#include "framework/tensor/safetensors.h"
#include "tests/support/reference.h"
#include "tests/support/relative_error.h"

namespace thaw {
namespace {

// Where the Python reference wrote its cases; empty where there is no reference to ask.
const fs::path& whisper_cases() {
  static const fs::path made = test::python() ? test::reference_folder("models/whisper_reference.py") : fs::path();
  return made;
}

std::vector<std::int64_t> cumulated(const at::Tensor& lengths) {
  std::vector<std::int64_t> cu_seqlens{0};
  for (std::int64_t row = 0; row < lengths.size(0); ++row) cu_seqlens.push_back(cu_seqlens.back() + lengths[row].item<std::int64_t>());
  return cu_seqlens;
}

at::Tensor positions_of(const std::vector<std::int64_t>& cu_seqlens) {
  std::vector<at::Tensor> positions;
  for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row) positions.push_back(at::arange(cu_seqlens[row + 1] - cu_seqlens[row]));
  return at::cat(positions);
}

// One of the reference's cases, loaded, and its pass.
struct Case {
  explicit Case(const fs::path& directory) : expected(directory / "reference.safetensors") {
    HeadSpec head{expected.tensor("logits").size(1)};
    const bool ctc = directory.filename().string().starts_with("ctc");
    head.kind = expected.has("ids") ? Head::language : ctc ? Head::ctc : Head::classification;
    head.short_rows = directory.string().find("short_rows") != std::string::npos;
    model = load_model(directory, head, 1, &report);
    frames = cumulated(expected.tensor("frames"));
    context.features = expected.tensor("features");
    if (!expected.has("ids")) return;
    context.input_ids = expected.tensor("ids");
    context.decoder_cu_seqlens = cumulated(expected.tensor("texts"));
    context.positions = positions_of(context.decoder_cu_seqlens);
  }
  std::vector<bool> all() const { return std::vector<bool>(model->parameters.size(), true); }

  SafetensorsFile expected;
  LoadReport report;
  std::unique_ptr<Model> model;
  std::vector<std::int64_t> frames;
  Context context;
};

class WhisperParity : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { THAW_NEEDS_PYTHON(); }
};

TEST_P(WhisperParity, LogitsLossAndEveryGradient) {
  Case given(whisper_cases() / GetParam());
  EXPECT_TRUE(given.report.initialised.empty());
  EXPECT_TRUE(given.report.unused.empty()) << given.report.unused.front();
  given.model->set_precision(at::kFloat);
  given.model->set_learning(given.all());

  const at::Tensor ours = given.model->forward(given.frames, given.context), logits = given.expected.tensor("logits");
  ASSERT_EQ(ours.sizes(), logits.sizes());
  const at::Tensor loss = at::cross_entropy_loss(ours, given.expected.tensor("targets"));
  EXPECT_LE(test::relative_error(ours.detach(), logits), 1e-5);
  EXPECT_LE(test::relative_error(loss.detach(), given.expected.tensor("loss")), 1e-5);
  loss.backward();
  double largest = 0;
  std::size_t judged = 0;
  for (const std::string& name : given.expected.names())
    if (name.starts_with("grad/")) {
      largest = std::max(largest, given.expected.tensor(name).abs().max().item<double>());
      ++judged;
    }
  for (const Parameter& parameter : given.model->parameters) {
    if (parameter.fixed) {
      EXPECT_FALSE(parameter.working.requires_grad()) << parameter.name;
      continue;
    }
    --judged;
    ASSERT_TRUE(parameter.working.grad().defined()) << parameter.name;
    at::Tensor gradient = parameter.working.grad();
    EXPECT_EQ(gradient.is_sparse(), parameter.sparse_gradient()) << parameter.name;
    if (gradient.is_sparse()) gradient = gradient.to_dense();
    EXPECT_LE(test::relative_error(gradient, given.expected.tensor("grad/" + parameter.name), 0.02 * largest), 2e-5) << parameter.name;
  }
  EXPECT_EQ(judged, 0U);
}

INSTANTIATE_TEST_SUITE_P(Transformers, WhisperParity,
                         ::testing::Values("plain", "odd", "untied", "short_rows", "audio", "audio_short_rows", "ctc", "ctc_short_rows"),
                         [](const auto& tested) { return std::string(tested.param); });

class Whisper : public ::testing::Test {
 protected:
  void SetUp() override { THAW_NEEDS_PYTHON(); }
  static at::Tensor forward(const Case& given) {
    const at::NoGradGuard no_grad;
    return given.model->forward(given.frames, given.context);
  }
};

// bf16 keeps 8 bits; logits here are about 2.
TEST_F(Whisper, ComputesInBf16) {
  Case given(whisper_cases() / "plain");
  given.model->set_precision(at::kBFloat16);
  const double error = test::relative_error(forward(given), given.expected.tensor("logits"));
  EXPECT_LE(error, 0.03);
  EXPECT_GE(error, 1e-4);
}

// Each row of the pack by itself gives what it gives among the others.
TEST_F(Whisper, RowsDoNotSeeEachOther) {
  Case given(whisper_cases() / "short_rows");
  given.model->set_precision(at::kFloat);
  const at::Tensor packed = forward(given);
  const std::vector<std::int64_t> frames = given.frames, texts = given.context.decoder_cu_seqlens;
  const Context whole = given.context;
  for (std::size_t row = 0; row + 1 < frames.size(); ++row) {
    given.frames = {0, frames[row + 1] - frames[row]};
    given.context.features = whole.features.slice(0, frames[row], frames[row + 1]);
    given.context.input_ids = whole.input_ids.slice(0, texts[row], texts[row + 1]);
    given.context.positions = whole.positions.slice(0, texts[row], texts[row + 1]);
    given.context.decoder_cu_seqlens = {0, texts[row + 1] - texts[row]};
    EXPECT_LE(test::relative_error(forward(given), packed.slice(0, texts[row], texts[row + 1]).to(at::kDouble)), 1e-5) << row;
  }
}

// Dropout everywhere: the same step gives the same numbers, another step others; and a part asleep draws none.
TEST_F(Whisper, DropoutIsKeyed) {
  const fs::path directory = fs::path(THAW_BINARY_DIR) / fmt::format("whisper_dropout.{}", ::getpid());
  fs::create_directories(directory);
  fs::copy(whisper_cases() / "plain", directory, fs::copy_options::recursive);
  Json config = JsonFile(directory / "config.json").raw();
  for (const char* key : {"dropout", "attention_dropout", "activation_dropout"}) config[key] = 0.2;
  write_file_atomically(directory / "config.json", config.dump());
  Case given(directory);
  fs::remove_all(directory);
  given.model->set_precision(at::kFloat);
  given.context.training = true;
  given.context.random_key = 7;
  const at::Tensor asleep = forward(given);
  EXPECT_LE(test::relative_error(asleep, given.expected.tensor("logits")), 1e-5);
  given.model->set_learning(given.all());
  const at::Tensor first = forward(given);
  EXPECT_TRUE(at::equal(forward(given), first));
  EXPECT_GT((first - asleep).abs().max().item<double>(), 0.01);
  given.context.random_key = 8;
  EXPECT_GT((forward(given) - first).abs().max().item<double>(), 0.01);
}

// As many as asked for, and what they would have read gets gradients of zero.
TEST_F(Whisper, LayerDropLeavesLayersOut) {
  const fs::path directory = fs::path(THAW_BINARY_DIR) / fmt::format("whisper_layerdrop.{}", ::getpid());
  fs::create_directories(directory);
  fs::copy(whisper_cases() / "plain", directory, fs::copy_options::recursive);
  Json config = JsonFile(directory / "config.json").raw();
  config["encoder_layerdrop"] = config["decoder_layerdrop"] = 0.5;
  write_file_atomically(directory / "config.json", config.dump());
  Case given(directory);
  fs::remove_all(directory);
  given.model->set_precision(at::kFloat);
  given.model->set_learning(given.all());
  given.context.training = true;
  int left_out = 0;
  constexpr int steps = 32;
  for (int step = 0; step < steps; ++step) {
    given.context.random_key = random_key(std::uint64_t{5}, step);
    for (Parameter& parameter : given.model->parameters) parameter.working.mutable_grad() = at::Tensor();
    at::cross_entropy_loss(given.model->forward(given.frames, given.context), given.expected.tensor("targets")).backward();
    for (const Parameter& parameter : given.model->parameters) {
      if (parameter.fixed) continue;
      ASSERT_TRUE(parameter.working.grad().defined()) << parameter.name;
      if (parameter.name.ends_with("fc1.weight")) left_out += parameter.working.grad().abs().max().item<double>() == 0 ? 1 : 0;
    }
  }
  EXPECT_NEAR(left_out / (4.0 * steps), 0.5, 4 * std::sqrt(0.25 / (4 * steps)));
}

class WhisperRefusal : public ::testing::Test {
 protected:
  Json config = {{"model_type", "whisper"}, {"d_model", 12},        {"encoder_layers", 1},          {"decoder_layers", 1},
                 {"vocab_size", 10},        {"num_mel_bins", 4},    {"max_source_positions", 8},    {"max_target_positions", 6},
                 {"encoder_ffn_dim", 8},    {"decoder_ffn_dim", 8}, {"encoder_attention_heads", 3}, {"decoder_attention_heads", 2}};
  Json with(const char* key, Json value) const {
    Json changed = config;
    changed[key] = std::move(value);
    return changed;
  }
  static std::string refusal(const Json& changed) {
    try {
      build_model(JsonView(changed, "config.json"), {});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_data);
      return error.what();
    }
    return "accepted";
  }
};

TEST_F(WhisperRefusal, NamesKeyExpectedAndFound) {
  EXPECT_EQ(refusal(config), "accepted");
  EXPECT_EQ(refusal(with("d_model", 0)), "config.json: d_model: expected an integer from 1 to 1000000000, found 0");
  EXPECT_EQ(refusal(with("decoder_attention_heads", 5)), "config.json: decoder_attention_heads: expected a divisor of d_model 12, found 5");
  EXPECT_EQ(refusal(with("encoder_layerdrop", 1)), "config.json: encoder_layerdrop: expected a probability in [0, 1), found 1");
  EXPECT_EQ(refusal(with("pad_token_id", 10)), "config.json: pad_token_id: expected a token id below 10, found 10");
  EXPECT_EQ(refusal(with("use_weighted_layer_sum", true)),
            "config.json: use_weighted_layer_sum: expected false: the last layer's output alone, found true");
}

TEST_F(WhisperRefusal, RowsThatAreNoWindows) {
  HeadSpec head;
  const auto refused = [&](std::vector<std::int64_t> frames, const at::Tensor& features) -> std::string {
    const auto model = build_model(JsonView(config, "config.json"), head);
    for (Parameter& parameter : model->parameters) parameter.value = at::zeros(parameter.value.sizes());
    model->set_precision(at::kFloat);
    Context context;
    context.features = features;
    try {
      model->forward(std::move(frames), context);
    } catch (const DataError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refused({0, 16, 32}, at::zeros({32, 4})), "accepted");
  EXPECT_EQ(refused({0, 16, 31}, at::zeros({31, 4})),
            "row 1 of the pass: expected 16 frames, found 15: Whisper reads windows of 30 s, padded where audio is shorter");
  EXPECT_EQ(refused({0, 16}, at::zeros({16, 5})), "features: expected at least 16 frames of 4 mels, found [16, 5]");
  EXPECT_EQ(refused({0, 16}, {}), "features: expected at least 16 frames of 4 mels, found none");
  head.short_rows = true;
  EXPECT_EQ(refused({0, 16, 31}, at::zeros({31, 4})), "accepted");
  EXPECT_EQ(refused({0, 17}, at::zeros({17, 4})).substr(0, 58), "row 0 of the pass: expected 1 to 16 frames, found 17: Whis");
}

}  // namespace
}  // namespace thaw
