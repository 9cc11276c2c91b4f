// The ids are those of Hugging Face `tokenizers`: each case of compare.py and compare_byte_level.py, run by the Python that has the package.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/reference.h"

namespace {

void compare(const std::string& what, const std::string& script = "compare") {
  THAW_NEEDS_PYTHON();
  const char* const given = std::getenv("THAW_TEST_DATA");
  const std::string data = given != nullptr ? given : THAW_SOURCE_DIR "/../shared/data";
  const std::string model = THAW_SOURCE_DIR "/build/models/all-MiniLM-L6-v2";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << model << " is not there: cluster/setup.sh --tests makes it";
  const std::string command = "PYTHONDONTWRITEBYTECODE=1 '" + *thaw::test::python() + "' " THAW_SOURCE_DIR "/tests/datasets/tokenizers/" +
                              script + ".py " + what + " " THAW_BINARY_DIR "/tokenizer_dump " + model + " " + data + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string said;
  char buffer[4096];
  while (const std::size_t got = fread(buffer, 1, sizeof buffer, pipe)) said.append(buffer, got);
  EXPECT_EQ(pclose(pipe), 0) << said;
  std::fputs(said.c_str(), stdout);  // names the corpora that it went without
  EXPECT_NE(said.find(what + ": "), std::string::npos) << said;
}

TEST(TokenizerReference, Corpora) { compare("corpora"); }
TEST(TokenizerReference, HostileTexts) { compare("hostile"); }
TEST(TokenizerReference, Configurations) { compare("configurations"); }
TEST(TokenizerReference, EveryCodePoint) { compare("sweep"); }
TEST(TokenizerReference, PairsAndTruncation) { compare("truncation"); }
TEST(TokenizerReference, AddedTokens) { compare("added_tokens"); }
TEST(TokenizerReference, Decoding) { compare("decoding"); }
TEST(TokenizerReference, VocabTxt) { compare("vocab_txt"); }

TEST(ByteLevelReference, Corpora) { compare("corpora", "compare_byte_level"); }
TEST(ByteLevelReference, HostileTexts) { compare("hostile", "compare_byte_level"); }
TEST(ByteLevelReference, EveryCodePoint) { compare("sweep", "compare_byte_level"); }
TEST(ByteLevelReference, Decoding) { compare("decoding", "compare_byte_level"); }
TEST(ByteLevelReference, Options) { compare("options", "compare_byte_level"); }
TEST(ByteLevelReference, AddedTokens) { compare("added_tokens", "compare_byte_level"); }
TEST(ByteLevelReference, TrainedVocabularies) { compare("trained", "compare_byte_level"); }
TEST(ByteLevelReference, MergesTxt) { compare("merges_txt", "compare_byte_level"); }

}  // namespace
