// Whisper of three formats under the hub's names: equal to each other, and to transformers' and openai-whisper's models.
#include "framework/models/whisper_names.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "framework/base/error.h"
#include "framework/base/text.h"
#include "framework/models/pretrained.h"
#include "framework/tensor/safetensors.h"
#include "tests/support/reference.h"
#include "tests/support/whisper_weights.h"

namespace thaw {
namespace {

class WhisperNames : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }
  fs::path folder = fs::temp_directory_path() / fmt::format("thaw-whisper-names-{}", ::getpid());

  void python(const std::string& mode, const std::string& arguments = "") {
    const std::string command = fmt::format("'{}' {}/tests/models/whisper_names_reference.py {} {} {}", *test::python(), THAW_SOURCE_DIR,
                                            mode, folder.string(), arguments);
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  // Writes what the reference judges.
  void give(const std::string& name, const HubModel& model) {
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (const std::string& tensor : model.weights.names()) tensors.emplace_back(tensor, model.weights.tensor(tensor));
    write_safetensors(folder / (name + ".safetensors"), tensors);
    write_file_atomically(folder / (name + ".json"), model.config.dump());
  }
  // Every tensor of both, and no other, within `tolerance` of the largest element of each; the same config.
  static void expect_equal(const HubModel& a, const HubModel& b, double tolerance) {
    EXPECT_EQ(a.config, b.config);
    EXPECT_EQ(a.weights.names(), b.weights.names());
    for (const std::string& name : a.weights.names()) {
      if (!b.weights.has(name)) continue;
      const at::Tensor one = a.weights.tensor(name).to(at::kDouble), other = b.weights.tensor(name).to(at::kDouble);
      ASSERT_EQ(one.sizes(), other.sizes()) << name;
      EXPECT_LE((one - other).abs().max().item<double>(), tolerance * one.abs().max().item<double>()) << name;
    }
  }
};

TEST_F(WhisperNames, RandomModelsOfEveryFormat) {
  THAW_NEEDS_PYTHON();
  python("write");
  // What rounding to the dtype may do to the largest element of a tensor, or of a row.
  const std::map<std::string, double> rounding{{"float32", 0}, {"float16", 1.0 / 2048}, {"int8", 0.501 / 127}};
  for (const auto& [name, dtypes] : {std::pair("english", "float32 float16 int8"), std::pair("multilingual", "float32")}) {
    const fs::path file = folder / fmt::format("{}.pt", name);
    const HubModel openai = open_pretrained(file);
    give(name, openai);
    python("judge", fmt::format("{} {} {}", name, file.string(), dtypes));
    for (const std::string& dtype : split(dtypes, ' '))
      expect_equal(openai, open_pretrained(folder / fmt::format("{}-{}", name, dtype)), rounding.at(dtype));
    EXPECT_EQ(openai.config["eos_token_id"], name == std::string("english") ? 50256 : 50257);
  }
}

TEST_F(WhisperNames, RealTinyEn) {
  THAW_NEEDS_PYTHON();
  THAW_NEEDS_WHISPER("tiny.en/tiny.en.pt");
  THAW_NEEDS_WHISPER("tiny.en/model.bin");
  const HubModel openai = open_pretrained(test::whisper_weights("tiny.en/tiny.en.pt"));
  const HubModel converted = open_pretrained(test::whisper_weights("tiny.en"));  // model.bin comes first there
  give("tiny.en", openai);
  python("judge", "tiny.en " + test::whisper_weights("tiny.en/tiny.en.pt").string());
  expect_equal(openai, converted, 1.0 / 2048);
  EXPECT_EQ(openai.config["encoder_attention_heads"], 6);
  EXPECT_EQ(openai.config["max_source_positions"], 1500);
  // The third format: what a hub directory holds.
  fs::create_directories(folder / "hub");
  fs::rename(folder / "tiny.en.safetensors", folder / "hub/model.safetensors");
  fs::rename(folder / "tiny.en.json", folder / "hub/config.json");
  expect_equal(openai, open_pretrained(folder / "hub"), 0);
}

TEST_F(WhisperNames, RealBase) {
  THAW_NEEDS_WHISPER("base/model.bin");
  const HubModel base = open_pretrained(test::whisper_weights("base"));
  EXPECT_EQ(base.config["d_model"], 512);
  EXPECT_EQ(base.config["encoder_layers"], 6);
  EXPECT_EQ(base.config["decoder_attention_heads"], 8);
  EXPECT_EQ(base.config["vocab_size"], 51865);
  EXPECT_EQ(base.config["decoder_start_token_id"], 50258);
  EXPECT_EQ(base.weights.names().size(), 245U);
}

TEST_F(WhisperNames, WhatIsNotWhisperIsNamed) {
  EXPECT_THROW(open_pretrained(folder), ModelError);
  write_safetensors(folder / "model.safetensors", {{"weight", at::ones({2})}});
  try {
    open_pretrained(folder);
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_NE(std::string(error.what()).find("model_type"), std::string::npos) << error.what();
  }
  write_file_atomically(folder / "config.json", "{\"model_type\": \"bert\"}");
  EXPECT_EQ(open_pretrained(folder).config["model_type"], "bert");
}

}  // namespace
}  // namespace thaw
