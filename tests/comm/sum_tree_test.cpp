// Any sharing of grains adds them in the same tree, and each grain once.
#include "framework/comm/sum_tree.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace thaw {
namespace {

// Plays all ranks: the sum of terms, one float each.
float played(const SumTree& tree, const std::vector<int>& owners, const std::vector<float>& terms, int ranks) {
  std::vector<std::vector<float>> stacks(static_cast<std::size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) {
    auto& stack = stacks[static_cast<std::size_t>(rank)];
    std::size_t term = 0;
    for (std::size_t g = 0; g < owners.size(); ++g) {
      if (owners[g] != rank) continue;
      stack.push_back(terms[g]);
      for (int i = 0; i < tree.merges(rank)[term]; ++i) {
        const float top = stack.back();
        stack.pop_back();
        stack.back() += top;
      }
      ++term;
    }
    EXPECT_EQ(term, tree.merges(rank).size());
    EXPECT_EQ(stack.size(), static_cast<std::size_t>(tree.pieces(rank)));
    EXPECT_LE(tree.pieces(rank), tree.stack_depth(rank));
  }
  float sum = 0;
  add_pieces(
      tree, [&](std::size_t rank, std::size_t number) { return &stacks[rank].at(number); }, &sum, 1);
  return sum;
}

TEST(SumTree, SameBitsHoweverGrainsAreShared) {
  for (std::size_t grains = 1; grains <= 40; ++grains) {
    std::vector<float> terms;
    double exact = 0;
    for (std::size_t g = 0; g < grains; ++g) {
      terms.push_back(std::ldexp(1.0F + 0.1F * static_cast<float>(g * 7 % 11), static_cast<int>(g * 5 % 13) - 6));
      exact += g % 7 == 6 ? 0.0 : static_cast<double>(terms.back());
    }
    float first = 0;
    for (int ranks = 1; ranks <= static_cast<int>(grains); ++ranks) {
      std::vector<int> owners;
      for (std::size_t g = 0; g < grains; ++g)  // every seventh grain is empty
        owners.push_back(g % 7 == 6 ? -1 : static_cast<int>(((g + 1) * static_cast<std::size_t>(ranks) - 1) / grains));
      const float sum = played(SumTree::fixed(owners, ranks), owners, terms, ranks);
      if (ranks == 1) first = sum;
      ASSERT_EQ(sum, first) << grains << " grains on " << ranks << " ranks";
    }
    EXPECT_NEAR(first, exact, 1e-5 * exact) << grains;
  }
}

TEST(SumTree, EvenSharesAreOnePieceAndNeedNoMoreMemory) {
  const SumTree tree = SumTree::fixed({0, 0, 1, 1, 2, 2, 3, 3}, 4);
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(tree.pieces(rank), 1);
    EXPECT_EQ(tree.stack_depth(rank), 1);
  }
}

TEST(SumTree, ByRankIsRankOrder) {
  const std::vector<int> owners{0, 0, 1, 2};
  const std::vector<float> terms{1e8F, 1.0F, -1e8F, 0.5F};
  EXPECT_EQ(played(SumTree::by_rank({2, 1, 1}), owners, terms, 3), ((terms[0] + terms[1]) + terms[2]) + terms[3]);
}

}  // namespace
}  // namespace thaw
