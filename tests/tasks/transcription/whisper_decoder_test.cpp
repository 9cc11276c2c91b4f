// Whisper's decoder for inference: against the training stack, and on recordings against transformers.
#include "framework/tasks/transcription/whisper_decoder.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "framework/base/error.h"
#include "framework/models/registry.h"
#include "framework/tensor/safetensors.h"
#include "tests/support/reference.h"
#include "tests/support/relative_error.h"
#include "tests/tasks/transcription/greedy.h"

namespace thaw {
namespace {

// A small Whisper of random values, and features of three windows.
class SmallWhisper : public ::testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(3);
    const Json config = {{"model_type", "whisper"},
                         {"d_model", 60},
                         {"encoder_layers", 2},
                         {"decoder_layers", 2},
                         {"vocab_size", 101},
                         {"num_mel_bins", 7},
                         {"max_source_positions", 50},
                         {"max_target_positions", 100},
                         {"encoder_ffn_dim", 72},
                         {"decoder_ffn_dim", 80},
                         {"encoder_attention_heads", 3},
                         {"decoder_attention_heads", 2},
                         {"activation_function", "gelu"}};
    HeadSpec head;
    head.kind = Head::language;
    model = build_model(JsonView(config, "config.json"), head);
    for (Parameter& parameter : model->parameters) parameter.value = at::randn(parameter.value.sizes()) * 0.2;
    model->set_precision(at::kFloat);
    features = at::randn({3, 7, 100});
  }

  // Logits of the training stack for one window's text: [tokens, vocabulary].
  at::Tensor expected(std::int64_t window, const at::Tensor& tokens) const {
    const at::NoGradGuard no_grad;
    Context context;
    context.features = features[window].t().contiguous();
    context.input_ids = tokens;
    context.positions = at::arange(tokens.size(0));
    context.decoder_cu_seqlens = {0, tokens.size(0)};
    return model->forward({0, 100}, context);
  }
  static at::Tensor random_tokens(std::int64_t sequences, std::int64_t count) { return at::randint(101, {sequences, count}, at::kLong); }

  std::unique_ptr<Model> model;
  at::Tensor features;
};

TEST_F(SmallWhisper, StepsGiveTheTrainingStacksLogits) {
  for (const auto& [type, tolerance] : {std::pair(at::kFloat, 2e-5), std::pair(at::kBFloat16, 0.03)}) {
    const auto decoder = whisper_decoder(*model, type);
    decoder->encode(features);
    const std::vector<std::int64_t> windows{2, 0, 2, 1};
    decoder->begin(windows);
    const at::Tensor tokens = random_tokens(4, 90);  // past the room that caches begin with
    const at::Tensor first = decoder->step(tokens.narrow(1, 0, 5), /*all=*/true);
    std::vector<at::Tensor> steps{first};
    for (std::int64_t i = 5; i < 90; ++i) steps.push_back(decoder->step(tokens.narrow(1, i, 1)).unsqueeze(1));
    const at::Tensor ours = at::cat(steps, 1);
    for (std::size_t sequence = 0; sequence < windows.size(); ++sequence) {
      const auto i = static_cast<std::int64_t>(sequence);
      EXPECT_LE(test::relative_error(ours[i], expected(windows[sequence], tokens[i])), tolerance) << sequence;
    }
  }
}

TEST_F(SmallWhisper, SequencesDoNotSeeEachOtherNorThreads) {
  const auto decoder = whisper_decoder(*model, at::kFloat);
  decoder->encode(features);
  const at::Tensor tokens = random_tokens(3, 12);
  decoder->begin({0, 1, 2});
  const at::Tensor together = decoder->step(tokens, true);
  at::set_num_threads(2);
  for (std::int64_t i = 0; i < 3; ++i) {
    decoder->encode(features.narrow(0, i, 1));
    decoder->begin({0});
    EXPECT_TRUE(at::equal(decoder->step(tokens.narrow(0, i, 1), true)[0], together[i])) << i;
  }
  at::set_num_threads(1);
}

TEST_F(SmallWhisper, ReorderCarriesTheTextAlong) {
  const auto decoder = whisper_decoder(*model, at::kFloat);
  decoder->encode(features);
  const at::Tensor tokens = random_tokens(2, 6), more = random_tokens(4, 2);
  decoder->begin({1, 2});
  decoder->step(tokens);
  decoder->reorder({1, 1, 0, 1});
  std::vector<at::Tensor> steps;
  for (std::int64_t i = 0; i < 2; ++i) steps.push_back(decoder->step(more.narrow(1, i, 1)).unsqueeze(1));
  const at::Tensor ours = at::cat(steps, 1);
  const std::vector<std::int64_t> from{1, 1, 0, 1}, windows{2, 2, 1, 2};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const at::Tensor all = expected(windows[i], at::cat({tokens[from[i]], more[row]}));
    EXPECT_LE(test::relative_error(ours[row], all.narrow(0, 6, 2)), 2e-5) << i;
  }
}

TEST_F(SmallWhisper, RefusesWhatItCannotRead) {
  const auto decoder = whisper_decoder(*model, at::kFloat);
  EXPECT_THROW(decoder->encode(at::zeros({1, 7, 99})), DataError);
  EXPECT_THROW(decoder->encode(at::zeros({1, 8, 100})), DataError);
  decoder->encode(features);
  EXPECT_THROW(decoder->begin({3}), DataError);
  decoder->begin({0, 1});
  EXPECT_THROW(decoder->step(random_tokens(1, 1)), DataError);
  EXPECT_THROW(decoder->step(at::full({2, 1}, 101, at::kLong)), DataError);
  EXPECT_THROW(decoder->step(random_tokens(2, 101)), DataError);
  EXPECT_THROW(decoder->reorder({2}), DataError);
  EXPECT_THROW(decoder->cross_attention(random_tokens(2, 3), {{2, 0}}), DataError);
  EXPECT_NO_THROW(decoder->step(random_tokens(2, 100)));
  EXPECT_THROW(decoder->step(random_tokens(2, 1)), DataError);
}

// Recordings heard by transformers, with real weights.
struct Heard {
  const char* model;
  int read;  // sentences of LJ Speech
  bool pocketsphinx;
};

class Recordings : public ::testing::TestWithParam<Heard> {
 protected:
  void SetUp() override {
    THAW_NEEDS_PYTHON();
    if (!fs::exists(directory() / "model.safetensors"))
      GTEST_SKIP() << directory() << " is not there (tests/support/whisper_weights.py makes it of an OpenAI checkpoint or CTranslate2's)";
    if (recordings().empty()) GTEST_SKIP() << "no recordings: Debian package pocketsphinx-testdata, and THAW_TEST_DATA with ljspeech_340";
  }
  static fs::path directory() { return fs::path(THAW_SOURCE_DIR "/build/models") / GetParam().model; }

  static std::vector<fs::path> recordings() {
    std::vector<fs::path> found;
    if (GetParam().pocketsphinx && fs::exists("/usr/share/pocketsphinx/test/data"))
      for (const auto& entry : fs::recursive_directory_iterator("/usr/share/pocketsphinx/test/data"))
        if (entry.path().extension() == ".wav" || entry.path().extension() == ".raw") found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    found.resize(std::min<std::size_t>(found.size(), 8));  // the reference takes seconds for each
    const char* const data = std::getenv("THAW_TEST_DATA");
    const fs::path read = fs::path(data != nullptr ? data : THAW_SOURCE_DIR "/../shared/data") / "ljspeech_340/flac";
    for (int number = 1; number <= GetParam().read; ++number)
      if (const fs::path path = read / fmt::format("LJ001-{:04}.flac", number); fs::exists(path)) found.push_back(path);
    return found;
  }

  static SafetensorsFile reference() {
    std::string arguments = fmt::format("'{}'", directory().string());
    for (const fs::path& path : recordings()) arguments += fmt::format(" '{}'", path.string());
    const std::string kind = fmt::format("-{}-{}.safetensors", GetParam().model, recordings().size());
    return SafetensorsFile(test::made_once("tasks/transcription/whisper_recordings.py", arguments, kind));
  }

  static std::unique_ptr<Model> load() {
    HeadSpec head;
    head.kind = Head::language;
    auto model = load_model(directory(), head, 1);
    model->set_precision(at::kFloat);
    return model;
  }
};

TEST_P(Recordings, GreedyTokensAreTransformers) {
  const SafetensorsFile heard = reference();
  const auto model = load();
  at::set_num_threads(2);
  const auto end = model->config["eos_token_id"].get<std::int64_t>();
  const at::Tensor tokens = heard.tensor("tokens");
  std::vector<std::vector<std::int64_t>> theirs;
  for (std::int64_t row = 0; row < tokens.size(0); ++row) {
    theirs.emplace_back();
    for (std::int64_t i = 0; i < tokens.size(1) && tokens[row][i].item<std::int64_t>() >= 0; ++i)
      theirs.back().push_back(tokens[row][i].item<std::int64_t>());
  }
  const auto fp32 = whisper_decoder(*model, at::kFloat), bf16 = whisper_decoder(*model, at::kBFloat16);
  EXPECT_EQ(greedy(*fp32, heard.tensor("features"), heard.tensor("prompt"), end, 8), theirs);
  const auto rounded = greedy(*bf16, heard.tensor("features"), heard.tensor("prompt"), end, 8);
  std::size_t same = 0;
  for (std::size_t row = 0; row < theirs.size(); ++row) same += rounded[row] == theirs[row] ? 1 : 0;
  RecordProperty("rows_with_the_same_tokens_in_bf16", static_cast<int>(same));
  EXPECT_GE(static_cast<double>(same), 0.7 * static_cast<double>(theirs.size()));
  at::set_num_threads(1);
}

TEST_P(Recordings, LogitsAndCrossAttentionAreTransformers) {
  const SafetensorsFile heard = reference();
  const auto model = load();
  at::set_num_threads(2);
  const at::Tensor logits = heard.tensor("logits"), features = heard.tensor("features").narrow(0, 0, 1);
  const std::int64_t count = logits.size(0);
  const at::Tensor tokens = heard.tensor("tokens").narrow(0, 0, 1).narrow(1, 0, count);

  Context context;
  context.features = features[0].t().contiguous();
  context.input_ids = tokens[0];
  context.positions = at::arange(count);
  context.decoder_cu_seqlens = {0, count};
  const at::NoGradGuard no_grad;
  EXPECT_LE(test::relative_error(model->forward({0, 3000}, context), logits), 1e-4);  // fp32 on both sides

  const auto decoder = whisper_decoder(*model, at::kFloat);
  decoder->encode(features);
  decoder->begin({0});
  EXPECT_LE(test::relative_error(decoder->step(tokens, true)[0], logits), 1e-4);
  const std::vector<std::pair<int, int>> heads{{3, 1}, {0, 5}, {2, 0}};
  const at::Tensor weights = decoder->cross_attention(tokens, heads);
  const at::Tensor theirs = heard.tensor("cross_attention");
  ASSERT_EQ(weights.sizes(), at::IntArrayRef({1, 3, count, 1500}));
  for (std::size_t i = 0; i < heads.size(); ++i)
    EXPECT_LE(test::relative_error(weights[0][static_cast<std::int64_t>(i)], theirs[heads[i].first][heads[i].second]), 2e-3) << i;
  at::set_num_threads(1);
}

INSTANTIATE_TEST_SUITE_P(Whisper, Recordings, ::testing::Values(Heard{"whisper-tiny.en", 6, true}, Heard{"whisper-base", 2, false}),
                         [](const auto& tested) { return std::string(tested.param.model).substr(8) == "base" ? "base" : "tiny_en"; });

}  // namespace
}  // namespace thaw
