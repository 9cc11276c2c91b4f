// Philox against torch's own engine; permutations are permutations.
#include "framework/base/random.h"

#include <ATen/core/PhiloxRNGEngine.h>
#include <gtest/gtest.h>

#include <vector>

namespace thaw {
namespace {

TEST(Philox, AsTorch) {
  for (const std::uint64_t key : {std::uint64_t{0}, std::uint64_t{42}, std::uint64_t{0x123456789ABCDEF0}, ~std::uint64_t{0}})
    for (const std::uint64_t counter :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xFFFFFFFF}, std::uint64_t{0x100000000}, std::uint64_t{987654321987654321}}) {
      at::Philox4_32 theirs(key, /*subsequence=*/0, /*offset=*/counter);
      for (const std::uint32_t word : philox(key, counter)) EXPECT_EQ(word, theirs()) << key << " " << counter;
    }
  // Random123's known answer for a key and counter of zeros
  EXPECT_EQ(philox(0, 0), (std::array<std::uint32_t, 4>{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
}

TEST(RandomKey, EveryPartCounts) {
  EXPECT_NE(random_key(1, 2, 3), random_key(1, 3, 2));
  EXPECT_NE(random_key(1, 2), random_key(2, 1));
  EXPECT_NE(random_key(1), random_key(1, 0));
  static_assert(random_key(42, 7, 1) == random_key(42, 7, 1));
}

TEST(Permutation, HitsEveryIndexOnce) {
  for (const std::uint64_t size : {1, 2, 3, 5, 64, 65, 1000, 4097}) {
    const Permutation permutation(99, size);
    std::vector<bool> seen(size);
    bool moved = size < 4;
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint64_t at = permutation(i);
      ASSERT_LT(at, size);
      EXPECT_FALSE(seen[at]) << size << ": " << at << " twice";
      seen[at] = true;
      moved |= at != i;
    }
    EXPECT_TRUE(moved) << size;
  }
}

}  // namespace
}  // namespace thaw
