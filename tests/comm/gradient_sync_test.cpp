// Gradients of several passes on several ranks, summed while backward runs. tests/stages/tsan.sh runs it under the thread sanitizer.
#include "framework/comm/gradient_sync.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/support/thread_ranks.h"

namespace thaw {
namespace {

constexpr std::int64_t grains = 6, rows = 20, width = 3;

// What a grain's pass gives: whole numbers, whose sums no order changes. The second leaf is not in every grain's graph.
at::Tensor slope(std::int64_t leaf, std::int64_t grain) {
  return at::remainder(at::arange(12) * (grain + 1) + leaf, 7).view({4, 3}).to(at::kFloat);
}
bool reaches(std::int64_t leaf, std::int64_t grain) { return leaf != 1 || grain % 2 == 0; }
at::Tensor ids(std::int64_t grain) { return at::tensor({grain, grain + 1, std::int64_t{19}, grain}); }

struct Ranks {
  int ranks;
  bool fixed;
};

class Gradients : public ::testing::TestWithParam<Ranks> {};
INSTANTIATE_TEST_SUITE_P(On, Gradients,
                         ::testing::Values(Ranks{1, false}, Ranks{2, false}, Ranks{3, false}, Ranks{1, true}, Ranks{2, true},
                                           Ranks{4, true}),
                         [](const auto& test) { return fmt::format("{}{}", test.param.ranks, test.param.fixed ? "InFixedOrder" : ""); });

TEST_P(Gradients, AreSummedOverPassesAndRanks) {
  const auto [ranks, fixed] = GetParam();
  std::vector<int> owners, terms(static_cast<std::size_t>(ranks));
  for (int grain = 0; grain < grains; ++grain) {
    owners.push_back(((grain + 1) * ranks - 1) / static_cast<int>(grains));
    ++terms[static_cast<std::size_t>(owners.back())];
  }
  const auto tree = std::make_shared<const SumTree>(fixed ? SumTree::fixed(owners, ranks) : SumTree::by_rank(terms));
  test::ThreadRanks::run(ranks, [&, fixed = fixed](const std::shared_ptr<Communicator>& comm) {
    at::set_num_threads(1);
    std::vector<at::Tensor> leaves{at::ones({4, 3}), at::ones({4, 3}), at::ones({4, 3}).to(at::kBFloat16), at::ones({rows, width})};
    std::vector<SyncedParameter> parameters;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      leaves[i].set_requires_grad(true);
      parameters.push_back({fmt::format("leaf{}", i), leaves[i], i == 3});
    }
    GradientSync sync(comm, comm, parameters, /*bucket_bytes=*/100);  // two leaves a bucket
    EXPECT_EQ(sync.bucket_count(), 2U);
    for (int step = 0; step < 3; ++step) {  // each overwrites the one before
      sync.begin(tree);
      for (std::int64_t grain = 0; grain < grains; ++grain) {
        if (owners[static_cast<std::size_t>(grain)] != comm->rank()) continue;
        at::Tensor sum = at::embedding(leaves[3], ids(grain), -1, false, /*sparse=*/true).sum() * (grain + 1);
        for (std::int64_t leaf = 0; leaf < 3; ++leaf)
          if (fixed || reaches(leaf, grain)) sum = sum + (leaves[static_cast<std::size_t>(leaf)].to(at::kFloat) * slope(leaf, grain)).sum();
        sum.backward();
      }
      sync.finish();
      at::Tensor table = at::zeros({rows, width});
      for (std::int64_t grain = 0; grain < grains; ++grain)
        for (std::int64_t k = 0; k < 4; ++k) table[ids(grain)[k].item<std::int64_t>()] += static_cast<double>(grain + 1);
      for (std::int64_t leaf = 0; leaf < 3; ++leaf) {
        at::Tensor expected = at::zeros({4, 3});
        for (std::int64_t grain = 0; grain < grains; ++grain)
          if (fixed || reaches(leaf, grain)) expected += slope(leaf, grain);
        EXPECT_TRUE(at::equal(sync.gradient(static_cast<std::size_t>(leaf)), expected)) << "leaf " << leaf << " step " << step;
      }
      EXPECT_TRUE(at::equal(sync.gradient(3), table)) << "step " << step;
      EXPECT_TRUE(at::equal(sync.touched(3), at::tensor({0, 1, 2, 3, 4, 5, 6, 19}, at::kLong)));
      for (const at::Tensor& leaf : leaves) EXPECT_FALSE(leaf.grad().defined());
    }
  });
}

// A bucket is under way for 0.4 s, while backward goes on for 0.25 s more; and so is the last one, which finish() waits for.
TEST(Communication, IsHiddenAsLongAsBackwardGoesOn) {
  using std::chrono::milliseconds;
  const auto tree = std::make_shared<const SumTree>(SumTree::by_rank({1, 1}));
  const auto body = [&](const std::shared_ptr<Communicator>& comm) {
    at::set_num_threads(1);
    std::vector<at::Tensor> leaves{at::ones({8}).requires_grad_(), at::ones({8}).requires_grad_()};
    GradientSync sync(comm, comm, {{"above", leaves[0], false}, {"below", leaves[1], false}}, /*bucket_bytes=*/32);
    ASSERT_EQ(sync.bucket_count(), 2U);
    for (int step = 0; step < 2; ++step) {
      sync.begin(tree);
      leaves[0].sum().backward();
      std::this_thread::sleep_for(milliseconds(250));
      leaves[1].sum().backward();
      sync.finish();
      const double last_s = sync.backward_s() - sync.launches().back().at_s;  // of backward, once the last bucket was under way
      EXPECT_GE(sync.hidden_s(), 0.25);
      EXPECT_LE(sync.hidden_s(), sync.backward_s());
      EXPECT_GE(sync.wait_s(), 0.39 - last_s);
    }
  };
  test::ThreadRanks::run(2, body, milliseconds(400));
}

}  // namespace
}  // namespace thaw
