// A damaged tokenizer.json loads or throws a thaw::Error, and what loads encodes: never a crash (run it under address sanitizer).
#include <gtest/gtest.h>

#include "framework/base/error.h"
#include "framework/base/random.h"
#include "tests/datasets/tokenizers/small_model.h"

namespace thaw {
namespace {

const char hostile[] = "A cat, CATS\xC3\xA9 <new>\xE6\xBC\xA2 [PAD] \xFF\xED\xA0\x80 a\xCC\x81\xE0\xA4\xBC\xCC\xA3 <NEW> sat";

TEST(TokenizerMutations, LoadOrThrow) {
  const ModelDirectory directory;
  const std::string whole = small_settings().dump();
  int loaded = 0, refused = 0;
  for (std::uint64_t trial = 0; trial < 3000; ++trial) {
    std::string text = whole;
    const std::uint64_t key = random_key(1, trial);
    for (std::uint32_t change = 0; change <= philox(key, 0)[0] % 3; ++change) {
      const auto number = philox(key, change + 1);
      const std::size_t at = number[0] % text.size();
      switch (number[1] % 4) {
        case 0: text[at] = static_cast<char>(text[at] ^ 1 << number[2] % 8); break;
        case 1: text[at] = "0123456789-.eE\"{}[],:ntf"[number[2] % 24]; break;
        case 2: text.erase(at, number[2] % 8); break;
        default: text.insert(at, text.substr(number[2] % text.size(), number[3] % 40)); break;
      }
    }
    directory.write("tokenizer.json", text);
    try {
      const auto tokenizer = directory.load();
      for (const std::size_t most : {0, 3, 7}) {
        const Encoding encoding = tokenizer->encode(hostile, hostile, most);
        for (const std::uint32_t id : encoding.ids) ASSERT_LT(id, tokenizer->vocabulary_size()) << text;
        ASSERT_LE(encoding.second_start, encoding.ids.size());
      }
      ++loaded;
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(loaded, 100);
  EXPECT_GT(refused, 500);
}

TEST(TokenizerMutations, RealFile) {
  const fs::path model = THAW_SOURCE_DIR "/build/models/all-MiniLM-L6-v2/tokenizer.json";
  if (!fs::exists(model)) GTEST_SKIP() << model << " is not there";
  const ModelDirectory directory;
  const std::string whole = read_file(model);
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    std::string text = whole;
    const auto number = philox(random_key(2, trial), 0);
    // Half of the damage goes to the settings before the vocabulary.
    const std::size_t at = number[0] % (trial % 2 ? text.size() : text.find("\"vocab\""));
    text[at] = static_cast<char>(text[at] ^ 1 << number[1] % 8);
    directory.write("tokenizer.json", text);
    try {
      directory.load()->encode(hostile, hostile, 20);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace thaw
