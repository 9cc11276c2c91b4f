// Rules for transcripts, judged by Python's str and unicodedata.
#include <unistd.h>

#include <cstdlib>

#include "datasets/speech/text_rules.h"
#include "datasets/speech/word_list.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "tests/datasets/speech/speech_testing.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

TEST(TextRules, EachByItselfAndInOrder) {
  const auto apply = [](const Texts& rules, const std::string& text) { return TextRules(rules).apply(text); };
  EXPECT_EQ(apply({}, " As It Is "), " As It Is ");
  EXPECT_EQ(apply({"lower"}, "ÀΣ"), "àς");
  EXPECT_EQ(apply({"upper"}, "straße"), "STRASSE");
  EXPECT_EQ(apply({"strip_punctuation"}, "don't — «stop», 3 $5!"), "dont  stop 3 $5");
  EXPECT_EQ(apply({"strip_punctuation:'-"}, "don't, e-mail."), "don't e-mail");
  EXPECT_EQ(apply({"remove:+́"}, "вол+ос да́"), "волос да");
  EXPECT_EQ(apply({"yo_to_ye"}, "ёжик Ёлка"), "ежик Елка");
  EXPECT_EQ(apply({"collapse_spaces"}, "  a \t\n b\u00A0c "), "a b c");
  EXPECT_EQ(apply({"nfc"}, "e\u0301\uFB01"), "\u00E9\uFB01");
  EXPECT_EQ(apply({"nfkc"}, "e\u0301\uFB01"), "\u00E9fi");
  EXPECT_EQ(apply({"strip_punctuation", "collapse_spaces"}, "a - b"), "a b");
  EXPECT_EQ(apply({"collapse_spaces", "strip_punctuation"}, "a - b"), "a  b");
  for (const char* wrong : {"lowercase", "remove", "remove:", "lower:x", "", "remove:\xFF"})
    EXPECT_THROW(TextRules({wrong}), DataError) << wrong;
}

// Every character that Python's Unicode knows, by itself and in words.
TEST(TextRules, AsPython) {
  THAW_NEEDS_PYTHON();
  const Folder folder;
  const std::string script = THAW_SOURCE_DIR "/tests/datasets/speech/text_rules.py", out = (folder / "expected.jsonl").string();
  ASSERT_EQ(std::system(fmt::format("'{}' '{}' > '{}'", *test::python(), script, out).c_str()), 0);
  const std::string text = read_file(out);
  std::size_t lines = 0;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty()) continue;
    const Json row = Json::parse(line);
    ASSERT_EQ(TextRules({row["rule"].get<std::string>()}).apply(row["text"].get<std::string>()), row["expected"].get<std::string>())
        << line;
    ++lines;
  }
  EXPECT_GT(lines, 5000u);
}

TEST(WordList, KnowsWordsAsTheyAreWritten) {
  const fs::path file = fs::path(::testing::TempDir()) / fmt::format("words.{}", ::getpid());
  write_file_atomically(file, "\uFEFFЁлка\r\ndon't\n\nкто\nто\nвсё-таки\n");
  const WordList words(file);
  EXPECT_EQ(words.size(), 5U);
  for (const char* known :
       {" елка,", "ЁЛКА!", "Don't", "кто-то", "все-таки", "1,5", "42nd", "—", "", " «то»", "'то'", "don’t", "“Don’t”", "-то-"})
    EXPECT_TRUE(words.knows(known)) << known;
  for (const char* unknown : {"елки", "dont", "кто-нибудь", "таки"}) EXPECT_FALSE(words.knows(unknown)) << unknown;
  for (const char* part : {" е", "ЁЛ", "don", "кто-т", "кто-", "елка-", "все-та", "ёл\uFFFD", "\uFFFD", "", "42", "«т", "'то'", "don't'"})
    EXPECT_TRUE(words.begins(part)) << part;
  for (const char* part : {"лка", "кот", "кт-", "ктот", "ел\uFFFDк", "то-а", "елки"}) EXPECT_FALSE(words.begins(part)) << part;
  write_file_atomically(file, "\n.\n");
  EXPECT_THROW(WordList{file}, DataError);
  write_file_atomically(file, "то\n\xD1\n");
  EXPECT_THROW(WordList{file}, DataError);
  fs::remove(file);
  EXPECT_THROW(WordList{file}, FileError);
}

}  // namespace
}  // namespace thaw
