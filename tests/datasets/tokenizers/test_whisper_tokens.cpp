// Whisper's tokens as openai-whisper's tokenizer has them.
#include <gtest/gtest.h>

#include "datasets/tokenizers/whisper_tokens.h"
#include "framework/base/error.h"
#include "tests/datasets/tokenizers/small_model.h"
#include "tests/support/reference.h"
#include "tests/support/whisper_weights.h"

namespace thaw {
namespace {

using Ids = WhisperTokens::Ids;

void expect_as(const Json& expected, const WhisperTokens& tokens, const std::string& kind) {
  EXPECT_EQ(tokens.end_of_text, expected["end_of_text"]) << kind;
  EXPECT_EQ(tokens.start_of_transcript, expected["start_of_transcript"]) << kind;
  EXPECT_EQ(tokens.translate, expected["translate"]) << kind;
  EXPECT_EQ(tokens.transcribe, expected["transcribe"]) << kind;
  EXPECT_EQ(tokens.start_of_lm, expected["start_of_lm"]) << kind;
  EXPECT_EQ(tokens.start_of_prev, expected["start_of_prev"]) << kind;
  EXPECT_EQ(tokens.no_speech, expected["no_speech"]) << kind;
  EXPECT_EQ(tokens.no_timestamps, expected["no_timestamps"]) << kind;
  EXPECT_EQ(tokens.first_timestamp, expected["first_timestamp"]) << kind;
  EXPECT_EQ(tokens.non_speech(), expected["non_speech"].get<Ids>()) << kind;
  EXPECT_EQ(tokens.multilingual(), kind != "english");
  ASSERT_EQ(tokens.languages().size(), expected["languages"].size()) << kind;
  for (std::size_t i = 0; i < tokens.languages().size(); ++i) {
    const WhisperLanguage& language = tokens.languages()[i];
    EXPECT_EQ(Json({language.code, language.token}), expected["languages"][i]);
    EXPECT_EQ(tokens.language_token(language.name), language.token);
  }
}

class WhisperReference : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!test::python()) return;
    const std::string command = fmt::format("'{}' '{}/tests/datasets/tokenizers/whisper_tokens_reference.py' '{}'", *test::python(),
                                            THAW_SOURCE_DIR, folder.string());
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    expected = JsonFile(folder / "expected.json").raw();
    for (const auto& [kind, unused] : expected.items()) models.emplace(kind, WhisperTokens(load_tokenizer(folder / kind)));
  }
  static void TearDownTestSuite() { fs::remove_all(folder); }
  inline static const fs::path folder = fs::temp_directory_path() / fmt::format("thaw-whisper-tokens-{}", getpid());
  inline static Json expected;
  inline static std::map<std::string, WhisperTokens> models;
};

TEST_F(WhisperReference, SpecialTokensAndWhatNobodySays) {
  THAW_NEEDS_PYTHON();
  for (const auto& [kind, tokens] : models) expect_as(expected[kind], tokens, kind);
}

TEST_F(WhisperReference, Prompts) {
  THAW_NEEDS_PYTHON();
  for (const auto& [kind, tokens] : models)
    for (const Json& prompt : expected[kind]["prompts"]) {
      const std::string language = prompt[0];
      const WhisperTask task = prompt[1] == "translate" ? WhisperTask::translate : WhisperTask::transcribe;
      // The reference ignores what a model of English alone cannot do; here that is refused.
      const bool refused = prompt[3].is_null() || (kind == "english" && (language != "en" || task == WhisperTask::translate));
      if (refused) {
        EXPECT_THROW(tokens.prompt(language, task, prompt[2]), UsageError) << kind << prompt;
      } else {
        EXPECT_EQ(tokens.prompt(language, task, prompt[2]), prompt[3].get<Ids>()) << kind << prompt;
      }
    }
}

// Common Voice's languages are locales.
TEST_F(WhisperReference, ARegionMayFollowALanguage) {
  THAW_NEEDS_PYTHON();
  for (const auto& [kind, tokens] : models) {
    for (const auto& [locale, code] : {std::pair("sv-SE", "sv"), {"zh_TW", "zh"}, {"nn-NO", "nn"}, {"ZH-hant-hk", "zh"}}) {
      EXPECT_TRUE(tokens.language_token(code)) << kind << code;
      EXPECT_EQ(tokens.language_token(locale), tokens.language_token(code)) << kind << locale;
    }
    for (const char* none : {"ga-IE", "-sv", "_", "", "svSE"}) EXPECT_FALSE(tokens.language_token(none)) << kind << none;
  }
}

TEST_F(WhisperReference, Decoding) {
  THAW_NEEDS_PYTHON();
  for (const auto& [kind, tokens] : models)
    for (const Json& row : expected[kind]["decoded"]) {
      EXPECT_EQ(tokens.decode(row[0].get<Ids>()), row[1].get<std::string>()) << kind;
      EXPECT_EQ(tokens.decode_with_timestamps(row[0].get<Ids>()), row[2].get<std::string>()) << kind;
    }
}

TEST_F(WhisperReference, Words) {
  THAW_NEEDS_PYTHON();
  for (const auto& [kind, tokens] : models) {
    EXPECT_GT(expected[kind]["splits"].size(), 5000U);
    for (const Json& row : expected[kind]["splits"]) {
      Json texts = Json::array(), ids = Json::array();
      for (const WhisperWord& word : tokens.split_words(row[0].get<Ids>(), row[1].get<std::string>())) {
        texts.push_back(word.text);
        ids.push_back(word.tokens);
      }
      ASSERT_EQ(texts, row[2]) << kind << row[0];
      ASSERT_EQ(ids, row[3]) << kind << row[0];
    }
  }
}

TEST_F(WhisperReference, RealTokenizers) {
  THAW_NEEDS_PYTHON();
  for (const auto& [folder_name, kind] : {std::pair("tiny.en", "english"), std::pair("base", "multilingual")}) {
    THAW_NEEDS_WHISPER(std::string(folder_name) + "/tokenizer.json");
    expect_as(expected[kind], WhisperTokens(load_tokenizer(test::whisper_weights(folder_name))), kind);
  }
}

TEST_F(WhisperReference, Timestamps) {
  THAW_NEEDS_PYTHON();
  const WhisperTokens& tokens = models.at("multilingual");
  EXPECT_EQ(tokens.timestamp(0), tokens.first_timestamp);
  EXPECT_EQ(tokens.timestamp(1.08), tokens.first_timestamp + 54);
  EXPECT_EQ(tokens.timestamp(-1), tokens.first_timestamp);
  EXPECT_EQ(tokens.timestamp(31), tokens.first_timestamp + 1500);
  EXPECT_FALSE(tokens.is_timestamp(tokens.no_timestamps));
}

TEST(WhisperTokens, OtherTokenizersAreNamed) {
  try {
    WhisperTokens(load_settings(small_settings()));
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_NE(std::string(error.what()).find("<|endoftext|>"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace thaw
