// thaw predict on recordings, judged by transformers. What would be lost is a wrong command obeyed, a word taken out of silence, or a
// recording that nobody was told could not be heard.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <sstream>

#include "datasets/audio/audio.h"
#include "framework/base/file.h"
#include "framework/base/random.h"
#include "framework/models/registry.h"
#include "framework/tensor/safetensors.h"
#include "tests/launcher/program.h"
#include "tests/support/reference.h"

namespace thaw::test {
namespace {

constexpr int rate = 16000;

double uniform(std::uint64_t key, std::uint64_t number) { return philox(key, number)[0] / 4294967296.0 - 0.5; }

// Two notes of a second's third each, apart from each other, over soft noise.
std::string notes(double hertz, std::uint64_t seed, float loud = 0.3F) {
  const std::uint64_t key = random_key(seed, 1);
  std::vector<float> samples;
  for (int i = 0; i < rate; ++i) {
    const double t = i / double{rate};
    const bool on = (t > 0.1 && t < 0.43) || (t > 0.6 && t < 0.93);
    const double wave = on ? std::sin(2 * std::numbers::pi * (hertz + 60 * uniform(key, 100000)) * t) : 0;
    samples.push_back(loud * static_cast<float>(wave + 0.02 * uniform(key, static_cast<std::uint64_t>(i))));
  }
  return audio::encode_audio(samples, rate, audio::AudioFormat::wav);
}

std::string noise(float loud) {
  std::vector<float> samples;
  for (std::uint64_t i = 0; i < rate; ++i) samples.push_back(loud * static_cast<float>(uniform(9, i)));
  return audio::encode_audio(samples, rate, audio::AudioFormat::wav);
}

// A workshop with a small random Whisper that hears windows of two seconds, and recordings of low and high notes.
class PredictSpeech : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shop = std::make_unique<Workshop>();
    write_model();
    for (const char* part : {"train", "dev", "in"})
      for (std::uint64_t row = 0; row < 16; ++row) {
        const bool low = row % 2 == 0;
        const std::string folder = std::string(part) == "in" ? "in" : fmt::format("{}/{}", part, low ? "low" : "high");
        fs::create_directories(shop->path(folder));
        shop->write(fmt::format("{}/{:02}.wav", folder, row), notes(low ? 400 : 900, row + 100 * static_cast<std::uint64_t>(part[0])));
      }
    shop->write("speech.yaml", fmt::format(R"(recipe: 1
task: audio-classification
model: {0}/listener
output_dir: {0}/run
epochs: 6
data: {{train: {0}/train, eval: {0}/dev, cache_dir: {0}/cache}}
batch: {{size: 8}}
optimizer: {{lr: 3.0e-03}}
)",
                                           shop->path()));
    trained = thaw("train " + shop->path("speech.yaml"));
  }
  static void TearDownTestSuite() { shop.reset(); }
  void SetUp() override { ASSERT_EQ(trained.exit_code, 0) << trained.output; }

  static void write_model() {
    const Json config{{"model_type", "whisper"},
                      {"d_model", 16},
                      {"encoder_layers", 1},
                      {"encoder_attention_heads", 2},
                      {"encoder_ffn_dim", 32},
                      {"decoder_layers", 1},
                      {"decoder_attention_heads", 2},
                      {"decoder_ffn_dim", 32},
                      {"num_mel_bins", 20},
                      {"vocab_size", 30},
                      {"max_source_positions", 100},
                      {"max_target_positions", 20},
                      {"pad_token_id", 0},
                      {"bos_token_id", 1},
                      {"eos_token_id", 2},
                      {"decoder_start_token_id", 1},
                      {"classifier_proj_size", 12},
                      {"dropout", 0.0},
                      {"suppress_tokens", nullptr},
                      {"begin_suppress_tokens", nullptr}};
    fs::create_directories(shop->path("listener"));
    shop->write("listener/config.json", config.dump());
    shop->write("listener/preprocessor_config.json",
                Json{{"feature_extractor_type", "WhisperFeatureExtractor"}, {"feature_size", 20}, {"chunk_length", 2}}.dump());
    const auto model = build_model(JsonView(config, "config.json"), {2});
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (const Parameter& parameter : model->parameters) {
      if (parameter.group == model->head()) continue;
      at::Tensor value = at::empty(parameter.value.sizes());
      const std::uint64_t key = random_key(3, tensors.size());
      for (std::int64_t i = 0; i < value.numel(); ++i)
        value.data_ptr<float>()[i] = static_cast<float>(uniform(key, static_cast<std::uint64_t>(i))) * 0.4F;
      if (parameter.role == Role::norm && parameter.name.ends_with("weight")) value += 1;
      tensors.emplace_back(parameter.name, value);
    }
    write_safetensors(fs::path(shop->path("listener")) / "model.safetensors", tensors);
  }

  static Ran predict(const std::string& arguments) { return thaw(fmt::format("predict {} {}", shop->path("run"), arguments)); }
  static std::vector<Json> answers(const std::string& arguments) {
    const Ran ran = predict("--json " + arguments);
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    std::vector<Json> lines;
    std::istringstream text(ran.output);
    for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
    return lines;
  }
  static std::string heard(const std::string& name, const std::string& arguments = "") {
    const Ran ran = predict(shop->path(name) + " " + arguments);
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    const std::string before = shop->path(name) + "\t";
    EXPECT_TRUE(ran.output.starts_with(before)) << ran.output;
    return ran.output.substr(std::min(before.size(), ran.output.size()));
  }

  inline static std::unique_ptr<Workshop> shop;
  inline static Ran trained;
};

TEST_F(PredictSpeech, AsTransformersDoesInTheInputsOrder) {
  const std::vector<Json> ours = answers(shop->path("in"));
  ASSERT_EQ(ours.size(), 16U);
  std::string files;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i]["file"], shop->path(fmt::format("in/{:02}.wav", i)));
    EXPECT_EQ(ours[i]["label"], i % 2 == 0 ? "low" : "high") << ours[i].dump();
    EXPECT_EQ(ours[i]["confidence"], ours[i]["probabilities"][ours[i]["label"].get<std::string>()]);
    files += ours[i]["file"].get<std::string>() + " ";
  }
  THAW_NEEDS_PYTHON();
  ASSERT_EQ(thaw("export " + shop->path("run") + " " + shop->path("out")).exit_code, 0);
  const Ran judge = shell(fmt::format("{} " THAW_SOURCE_DIR "/tests/launcher/predict_speech_reference.py {} {} {}", python().value(),
                                      shop->path("out"), shop->path("judge.json"), files));
  ASSERT_EQ(judge.exit_code, 0) << judge.output;
  const Json theirs = Json::parse(shop->file("judge.json"));
  for (std::size_t i = 0; i < ours.size(); ++i)
    for (const char* label : {"low", "high"})
      EXPECT_NEAR(ours[i]["probabilities"][label].get<double>(), theirs[i][label].get<double>(), 1e-4) << i;
}

TEST_F(PredictSpeech, SilenceIsNoCommand) {
  shop->write("quiet.wav", notes(400, 1, 0.0003F));
  shop->write("hiss.wav", noise(0.05F));
  EXPECT_EQ(heard("quiet.wav"), "silence\t-\n");
  EXPECT_EQ(heard("hiss.wav"), "silence\t-\n");
  EXPECT_EQ(heard("quiet.wav", "--silence level"), "silence\t-\n");
  EXPECT_FALSE(heard("hiss.wav", "--silence level").starts_with("silence"));
  EXPECT_FALSE(heard("quiet.wav", "--silence never").starts_with("silence"));
  const std::vector<Json> json = answers(shop->path("in/00.wav") + " " + shop->path("hiss.wav") + " " + shop->path("in/01.wav"));
  ASSERT_EQ(json.size(), 3U);
  EXPECT_EQ(json[0]["label"], "low");
  EXPECT_EQ(json[1], (Json{{"file", shop->path("hiss.wav")}, {"label", "silence"}, {"confidence", nullptr}}));
  EXPECT_EQ(json[2]["label"], "high");
}

TEST_F(PredictSpeech, LessProbableLabelsAreUnknown) {
  const std::vector<Json> all = answers(shop->path("in"));
  std::vector<double> sorted;
  for (const Json& one : all) sorted.push_back(one["confidence"]);
  std::sort(sorted.begin(), sorted.end());
  const double between = (sorted[7] + sorted[8]) / 2;
  ASSERT_LT(sorted[7], sorted[8]);
  const std::vector<Json> some = answers(fmt::format("{} --unknown-below {:.12f}", shop->path("in"), between));
  int unknown = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool less = all[i]["confidence"].get<double>() < between;
    unknown += less ? 1 : 0;
    EXPECT_EQ(some[i]["label"], less ? Json("unknown") : all[i]["label"]);
    EXPECT_EQ(some[i]["probabilities"], all[i]["probabilities"]);
  }
  EXPECT_EQ(unknown, 8);
}

// The table of thaw eval says what thaw predict then does.
TEST_F(PredictSpeech, EvalSaysWhatAThresholdBrings) {
  const Ran ran = thaw(fmt::format("eval {} --json --data {}", shop->path("run"), shop->path("dev")));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json table = Json::parse(ran.output.substr(ran.output.rfind("\n{", ran.output.size() - 2) + 1))["confidence"];
  ASSERT_EQ(table.size(), 8U);
  const std::vector<Json> all = answers(shop->path("dev"));
  for (const Json& point : table) {
    double answered = 0, right = 0;
    for (const Json& one : all) {
      if (one["confidence"] < point["threshold"]) continue;
      answered += 1;
      right += one["file"].get<std::string>().find(fmt::format("/{}/", one["label"].get<std::string>())) != std::string::npos ? 1 : 0;
    }
    EXPECT_DOUBLE_EQ(point["answered"], answered / static_cast<double>(all.size())) << point.dump();
    if (answered == 0) {
      EXPECT_TRUE(point["accuracy"].is_null());
    } else {
      EXPECT_DOUBLE_EQ(point["accuracy"], right / answered) << point.dump();
    }
  }
  const Ran text = thaw(fmt::format("eval {} --confidence --data {}", shop->path("run"), shop->path("dev")));
  EXPECT_NE(text.output.find(fmt::format("  0.5                      1.0000   {:.4f}\n", table[0]["accuracy"].get<double>())),
            std::string::npos)
      << text.output;
}

// Of another rate than the model's: what is resampled is rounded as in shards, which eval reads.
TEST_F(PredictSpeech, IsAsSureAsEvalMeasures) {
  std::vector<float> samples;
  for (int i = 0; i < 8000; ++i) samples.push_back(0.3F * static_cast<float>(std::sin(2 * std::numbers::pi * 400 * i / 8000)));
  fs::create_directories(shop->path("slow/low"));
  shop->write("slow/low/a.wav", audio::encode_audio(samples, 8000, audio::AudioFormat::wav));
  const Ran ran = thaw(fmt::format("eval {} --data {} --json", shop->path("run"), shop->path("slow")));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json metrics = Json::parse(ran.output.substr(ran.output.find("{\"")))["metrics"];
  const double probability = answers(shop->path("slow") + " --silence never")[0]["probabilities"]["low"];
  EXPECT_NEAR(-std::log(probability), metrics["loss"].get<double>(), 1e-5);
  EXPECT_EQ(metrics["accuracy/low"], probability > 0.5 ? 1 : 0);
}

TEST_F(PredictSpeech, WhatCannotBeHeardIsNamedAndTheOthersGoOn) {
  fs::create_directories(shop->path("bad"));
  shop->write("bad/broken.wav", "RIFF nothing of the kind");
  shop->write("bad/click.wav", audio::encode_audio(std::vector<float>(400, 0.1F), rate, audio::AudioFormat::wav));
  shop->write("bad/whole.wav", notes(400, 5));
  const Ran ran = predict(shop->path("bad"));
  EXPECT_EQ(ran.exit_code, 65);
  EXPECT_NE(ran.output.find("broken.wav: unreadable"), std::string::npos) << ran.output;
  EXPECT_NE(ran.output.find("click.wav: too short"), std::string::npos) << ran.output;
  EXPECT_NE(ran.output.find("whole.wav\tlow\t"), std::string::npos) << ran.output;
  EXPECT_NE(ran.output.find("2 of 3 recordings could not be heard"), std::string::npos) << ran.output;
}

// A window of two seconds: what comes later is not heard, and that is said.
TEST_F(PredictSpeech, LongerThanAWindowIsSaid) {
  std::vector<float> samples;
  for (const char* name : {"in/00.wav", "in/02.wav", "in/01.wav", "in/03.wav"}) {
    const std::vector<float> one = audio::read_audio(fs::path(shop->path(name))).samples;
    samples.insert(samples.end(), one.begin(), one.end());
  }
  shop->write("long.wav", audio::encode_audio(samples, rate, audio::AudioFormat::wav));
  const Ran ran = predict(shop->path("long.wav"));
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_NE(ran.output.find("1 recordings were longer than 2 s and were heard to there"), std::string::npos) << ran.output;
  EXPECT_NE(ran.output.find("long.wav\tlow\t"), std::string::npos) << ran.output;
}

TEST_F(PredictSpeech, WordsThatCannotBe) {
  const auto expect = [&](const std::string& arguments, int code, const char* said) {
    const Ran ran = predict(arguments);
    EXPECT_EQ(ran.exit_code, code) << arguments << ": " << ran.output;
    EXPECT_NE(ran.output.find(said), std::string::npos) << arguments << ": " << ran.output;
  };
  expect("", 64, "name recordings");
  expect(shop->path("nowhere.wav"), 66, "no such file");
  expect(shop->path("model"), 66, "expected recordings");
  expect(shop->path("in/00.wav") + " --unknown-below 1.5", 64, "1.5");
  expect(shop->path("in/00.wav") + " --unknown-below nan", 64, "nan");
  const Ran report = thaw(fmt::format("eval {} --data {} --report {}", shop->path("run"), shop->path("dev"), shop->path("report")));
  EXPECT_EQ(report.exit_code, 64) << report.output;
  expect(shop->path("in/00.wav") + " --silence perhaps", 64, "perhaps");
}

}  // namespace
}  // namespace thaw::test
