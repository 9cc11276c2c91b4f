// What is wrong in a tokenizer's files is a ModelError that says where, what was found and what is supported.
#include <gtest/gtest.h>

#include <functional>

#include "framework/base/error.h"
#include "tests/datasets/tokenizers/small_model.h"

namespace thaw {
namespace {

struct Wrong {
  const char* name;
  std::function<void(Json&)> change;
  std::vector<std::string> said;
};

TEST(TokenizerErrors, NameThePlace) {
  const std::vector<Wrong> all = {
      {"version", [](Json& j) { j["version"] = "2.0"; }, {"version", "\"2.0\"", "1.0"}},
      {"model", [](Json& j) { j["model"]["type"] = "Unigram"; }, {"model: type", "Unigram", "WordPiece", "BPE"}},
      {"no model", [](Json& j) { j.erase("model"); }, {"'model'"}},
      {"normalizer",
       [](Json& j) {
         j["normalizer"] = {{"type", "Nmt"}};
       },
       {"normalizer: type", "Nmt", "BertNormalizer"}},
      {"in a sequence",
       [](Json& j) {
         j["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array({Json{{"type", "NFC"}}, Json{{"type", "Nmt"}}})}};
       },
       {"normalizer: normalizers[1]: type", "Nmt"}},
      {"pre_tokenizer", [](Json& j) { j["pre_tokenizer"]["type"] = "ByteLevel"; }, {"pre_tokenizer: type", "ByteLevel", "Whitespace"}},
      {"behavior",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "Punctuation"}, {"behavior", "Removed"}};
       },
       {"behavior", "Removed", "Isolated"}},
      {"post_processor",
       [](Json& j) { j["post_processor"]["type"] = "RobertaProcessing"; },
       {"post_processor: type", "RobertaProcessing", "BertProcessing"}},
      {"flag", [](Json& j) { j["normalizer"]["lowercase"] = "yes"; }, {"normalizer: lowercase", "true or false", "yes"}},
      {"same id twice", [](Json& j) { j["model"]["vocab"]["cat"] = 4; }, {"model: vocab", "id", "4"}},
      {"negative id", [](Json& j) { j["model"]["vocab"]["cat"] = -4; }, {"model: vocab: cat", "-4"}},
      {"text for an id", [](Json& j) { j["model"]["vocab"]["cat"] = "5"; }, {"model: vocab: cat", "\"5\""}},
      {"fraction", [](Json& j) { j["model"]["vocab"]["cat"] = 5.5; }, {"model: vocab: cat", "5.5"}},
      {"huge id", [](Json& j) { j["model"]["vocab"]["cat"] = 4294967296; }, {"model: vocab: cat", "4294967296"}},
      {"no unknown token", [](Json& j) { j["model"]["vocab"].erase("[UNK]"); }, {"model: unk_token", "[UNK]", "vocabulary"}},
      {"vocab a list", [](Json& j) { j["model"]["vocab"] = Json::array(); }, {"model: vocab", "object"}},
      {"characters", [](Json& j) { j["model"]["max_input_chars_per_word"] = -1; }, {"max_input_chars_per_word", "-1"}},
      {"added token's id", [](Json& j) { j["added_tokens"][1]["id"] = 11; }, {"added_tokens[1]: id", "<new>", "9", "11"}},
      {"added token's flag", [](Json& j) { j["added_tokens"][0].erase("lstrip"); }, {"added_tokens[0]", "lstrip"}},
      {"empty pattern", [](Json& j) { j["added_tokens"][1]["content"] = "\u0301"; }, {"added_tokens", "normalized"}},
      {"type id", [](Json& j) { j["post_processor"]["pair"][3]["Sequence"]["type_id"] = 2; }, {"pair[3]: Sequence: type_id", "2"}},
      {"falling type", [](Json& j) { j["post_processor"]["pair"][0]["SpecialToken"]["type_id"] = 1; }, {"pair[1]: Sequence: type_id"}},
      {"no B", [](Json& j) { j["post_processor"]["pair"] = j["post_processor"]["single"]; }, {"post_processor: pair", "A and B"}},
      {"unknown special", [](Json& j) { j["post_processor"]["special_tokens"].erase("[SEP]"); }, {"special_tokens", "[SEP]"}},
      {"id of a special token", [](Json& j) { j["post_processor"]["special_tokens"]["[SEP]"]["ids"][0] = 77; }, {"post_processor", "77"}},
  };
  for (const Wrong& wrong : all) {
    Json settings = small_settings();
    wrong.change(settings);
    try {
      load_settings(settings);
      ADD_FAILURE() << wrong.name << ": loaded";
    } catch (const ModelError& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_data);
      EXPECT_NE(std::string(error.what()).find("tokenizer.json"), std::string::npos) << error.what();
      for (const auto& word : wrong.said)
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << wrong.name << ": " << error.what();
    }
  }
}

TEST(TokenizerErrors, NewTokenBehindGaps) {
  Json settings = small_settings();
  settings["model"]["vocab"].erase("a");  // 8 entries, the last id is 8: the next token would get 8 as well
  settings["added_tokens"][1]["id"] = 8;
  EXPECT_THROW(load_settings(settings), ModelError);
}

TEST(TokenizerErrors, NothingThere) {
  const ModelDirectory directory;
  try {
    directory.load();
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_EQ(error.code(), ExitCode::input_missing);
    EXPECT_NE(std::string(error.what()).find(directory.path().string()), std::string::npos);
  }
}

TEST(TokenizerErrors, VocabTxt) {
  const ModelDirectory directory;
  directory.write("vocab.txt", "[PAD]\n[CLS]\n[SEP]\nword\xFF\n");
  EXPECT_THROW(directory.load(), ModelError);
  directory.write("vocab.txt", "[UNK]\n[PAD]\n[CLS]\n[SEP]\nword\n");
  EXPECT_EQ(directory.load()->encode("word", std::nullopt, 0).ids, (std::vector<std::uint32_t>{2, 4, 3}));
  directory.write("tokenizer_config.json", "{\"do_lower_case\": 3}");
  EXPECT_THROW(directory.load(), ModelError);
  directory.write("tokenizer_config.json", "{\"unk_token\": \"<unk>\"}");
  EXPECT_THROW(directory.load(), ModelError);
}

TEST(TokenizerErrors, NoRoomForSpecialTokens) {
  const auto tokenizer = load_settings(small_settings());
  EXPECT_THROW(tokenizer->encode("a cat", std::nullopt, 1), DataError);
  EXPECT_THROW(tokenizer->encode("a cat", "a cat", 2), DataError);
  EXPECT_EQ(tokenizer->encode("a cat", std::nullopt, 2).ids, (std::vector<std::uint32_t>{2, 3}));
}

}  // namespace
}  // namespace thaw
