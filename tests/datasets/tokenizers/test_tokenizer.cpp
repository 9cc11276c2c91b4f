// What the interface promises beyond the ids: one tokenizer for many threads, fingerprints, sizes, and where a pair's second text
// starts.
#include <gtest/gtest.h>

#include <thread>

#include "tests/datasets/tokenizers/small_model.h"

namespace thaw {
namespace {

using Ids = std::vector<std::uint32_t>;

TEST(Tokenizer, PairsAndSpecialTokens) {
  const auto tokenizer = load_settings(small_settings());
  const Encoding one = tokenizer->encode("A cat, sat", std::nullopt, 0);
  EXPECT_EQ(one.ids, (Ids{2, 4, 5, 7, 8, 3}));
  EXPECT_EQ(one.second_start, one.ids.size());
  EXPECT_FALSE(one.truncated);
  const Encoding pair = tokenizer->encode("a cats <NEW> dog", "a cat", 0);
  EXPECT_EQ(pair.ids, (Ids{2, 4, 5, 6, 9, 1, 3, 4, 5, 3}));
  EXPECT_EQ(pair.second_start, 7u);
  const Encoding cut = tokenizer->encode("a cats <NEW> dog", "a cat", 6);
  EXPECT_EQ(cut.ids, (Ids{2, 4, 5, 3, 4, 3}));
  EXPECT_TRUE(cut.truncated);
  EXPECT_EQ(tokenizer->encode("", "", 0).ids, (Ids{2, 3, 3}));
}

TEST(Tokenizer, SizeAndTokenIds) {
  EXPECT_EQ(load_settings(small_settings())->vocabulary_size(), 10u);
  Json gaps = small_settings();
  gaps["model"]["vocab"]["sat"] = 40;
  const auto tokenizer = load_settings(gaps);
  EXPECT_EQ(tokenizer->vocabulary_size(), 41u);
  EXPECT_EQ(tokenizer->token_id("[PAD]"), 0u);
  EXPECT_EQ(tokenizer->token_id("<new>"), 9u);
  EXPECT_EQ(tokenizer->token_id("##s"), 6u);
  EXPECT_EQ(tokenizer->token_id("dog"), std::nullopt);
}

TEST(Tokenizer, FingerprintFollowsTheIdsAlone) {
  const std::string usual = load_settings(small_settings())->fingerprint();
  Json other = small_settings();
  other["truncation"] = {{"max_length", 128}, {"strategy", "LongestFirst"}, {"stride", 0}};
  other["padding"] = Json::object();
  EXPECT_EQ(load_settings(other)->fingerprint(), usual);
  EXPECT_EQ(load_settings(other)->encode(std::string(400, ','), std::nullopt, 0).ids.size(), 402u);
  const ModelDirectory spaced;
  spaced.write("tokenizer.json", small_settings().dump(4));
  EXPECT_EQ(spaced.load()->fingerprint(), usual);
  for (const char* change : {"/normalizer/lowercase", "/added_tokens/1/lstrip"}) {
    Json changed = small_settings();
    changed[Json::json_pointer(change)] = false;
    EXPECT_NE(load_settings(changed)->fingerprint(), usual) << change;
  }
  Json swapped = small_settings();
  std::swap(swapped["model"]["vocab"]["cat"], swapped["model"]["vocab"]["sat"]);
  EXPECT_NE(load_settings(swapped)->fingerprint(), usual);
}

TEST(Tokenizer, OneForManyThreads) {
  const auto tokenizer = load_settings(small_settings());
  const std::string text = "A cat, cats \xC3\xA9\xCC\xA3 \xE6\xBC\xA2 <new> sat \xED\x95\x9C\xFF";
  const Ids expected = tokenizer->encode(text, text, 0).ids;
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) count += tokenizer->encode(text, text, 0).ids != expected;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace thaw
