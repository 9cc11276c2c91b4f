// Whisper's text normalisers against openai-whisper and transformers.
#include "framework/tasks/text/text_normalizer.h"

#include <gtest/gtest.h>

#include <fstream>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

class ModelFolder {
 public:
  ModelFolder() : path_(fs::temp_directory_path() / fmt::format("thaw-normalizer-{}", ::getpid())) { fs::create_directories(path_); }
  ~ModelFolder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  void write(const std::string& json) const { std::ofstream(path_ / "normalizer.json", std::ios::binary) << json; }

 private:
  fs::path path_;
};

TEST(TextNormalizer, AsWhisperAndTransformers) {
  THAW_NEEDS_PYTHON();
  const Json expected = test::reference("tasks/normalizer_reference.py");
  ASSERT_GT(expected["cases"].size(), 25000u);
  const ModelFolder model;
  model.write(expected["spelling"].dump());
  const EnglishTextNormalizer with_table(read_spelling(model.path())), without_table;
  int wrong = 0;
  const auto compare = [&wrong](const char* what, const Json& text, const Json& said, const std::string& found) {
    if (said.get<std::string>() == found || ++wrong > 20) return;
    ADD_FAILURE() << what << "\n  text     " << text.dump() << "\n  expected " << said.dump() << "\n  found    " << Json(found).dump();
  };
  for (const Json& row : expected["cases"]) {
    const std::string text = row[0];
    compare("English", row[0], row[1], with_table(text));
    compare("English without a table", row[0], row[2], without_table(text));
    for (std::size_t i = 0; i < 4; ++i) compare("basic", row[0], row[3 + i], BasicTextNormalizer(i >= 2, i % 2 == 1)(text));
  }
  EXPECT_EQ(wrong, 0);
}

TEST(TextNormalizer, Examples) {
  const EnglishTextNormalizer english;
  EXPECT_EQ(english("Mr. Smith's $20 million, and he'd been there in the nineteen sixties."),
            "mister smith is $20000000 and he had been there in the 1960s");
  EXPECT_EQ(english("Room one oh one: twenty-five percent"), "room 10125%");
  EXPECT_EQ(english("The colour is grey"), "the colour is grey");
  EXPECT_EQ(BasicTextNormalizer(true)("Čeština [smích], prosím!"), "cestina prosim ");
  EXPECT_EQ(BasicTextNormalizer(false, true)("日本 語"), "日 本 語");
}

TEST(TextNormalizer, AnyBytes) {
  const std::string text = "a\xFF\xC3(\xED\xA0\x80 \xF4\x90\x80\x80 twenty \x80 five";
  EXPECT_EQ(EnglishTextNormalizer()(text),
            EnglishTextNormalizer()("a\uFFFD\uFFFD(\uFFFD\uFFFD\uFFFD \uFFFD\uFFFD\uFFFD\uFFFD twenty \uFFFD five"));
  EXPECT_EQ(EnglishTextNormalizer()(""), "");
}

TEST(TextNormalizer, TableOfSpellings) {
  const ModelFolder model;
  EXPECT_TRUE(read_spelling(model.path()).empty());
  model.write(R"({"colour": "color"})");
  EXPECT_EQ(EnglishTextNormalizer(read_spelling(model.path()))("Colour, colours"), "color colours");
  for (const char* wrong : {"[]", R"({"colour": 3})", "{", "3"}) {
    model.write(wrong);
    try {
      read_spelling(model.path());
      ADD_FAILURE() << wrong;
    } catch (const ModelError& error) {
      EXPECT_NE(std::string(error.what()).find("normalizer.json"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace thaw
