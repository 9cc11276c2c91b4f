// What ranks do in host memory alone: texts, the ranks of a node, errors of messages, and what a watchdog sees.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <thread>

#include "framework/base/error.h"
#include "tests/comm/ranks.h"

namespace thaw {
namespace {

using ranked::comm, ranked::rank, ranked::size;

TEST(AllGatherText, DifferingSizes) {
  const auto text_of = [](int rank) {
    return std::string(static_cast<std::size_t>(rank) * 1000, static_cast<char>('a' + rank)) + (rank == 2 ? std::string("\0x", 2) : "");
  };
  const auto all = comm().all_gather_text(text_of(comm().rank()));
  ASSERT_EQ(all.size(), static_cast<std::size_t>(comm().size()));
  for (int rank = 0; rank < comm().size(); ++rank) EXPECT_EQ(all[static_cast<std::size_t>(rank)], text_of(rank));
  EXPECT_EQ(comm().all_gather_text(""), std::vector<std::string>(static_cast<std::size_t>(comm().size())));
}

TEST(SplitNode, RanksOfThisMachineInRankOrder) {
  const auto node = comm().split_node();
  ASSERT_EQ(node->size(), comm().size());  // the tests run on one machine
  EXPECT_EQ(node->rank(), comm().rank());
  float values[] = {static_cast<float>(node->rank()), 1};
  node->all_reduce(values, 2, CommType::f32);
  EXPECT_EQ(values[1], static_cast<float>(node->size()));
  // The world's sums go on while a rank waits in its node's collectives.
  std::vector<float> open(4000000, 1);
  const auto request = comm().all_reduce_async(open.data(), open.size(), CommType::f32);
  const auto names = node->all_gather_text(std::to_string(node->rank()));
  EXPECT_EQ(names.back(), std::to_string(node->size() - 1));
  request->wait();
  EXPECT_EQ(open.back(), static_cast<float>(comm().size()));
}

TEST(Split, RanksOfOneColourInRankOrder) {
  const int rank = comm().rank();
  const auto part = comm().split(rank % 2);
  EXPECT_EQ(part->size(), (comm().size() + 1 - rank % 2) / 2);
  EXPECT_EQ(part->rank(), rank / 2);
  const auto names = part->all_gather_text(std::to_string(rank));
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(names[i], std::to_string(2 * static_cast<int>(i) + rank % 2));
}

TEST(Receive, WrongSizeIsNamed) {
  if (comm().size() != 2) GTEST_SKIP() << "for two ranks";
  char message[8] = "sixteen";
  if (comm().rank() == 0) {
    comm().send(message, 5, 1, 3);
  } else {
    try {
      comm().receive(message, 8, 0, 3);
      FAIL() << "five bytes were taken for eight";
    } catch (const CommError& error) {
      EXPECT_STREQ(error.what(), "receive from rank 0, tag 3: expected 8 bytes, found 5");
    }
    comm().receive(message, 5, 0, 3);
  }
}

// bf16 has a sum alone; and MPI's own errors come as CommError, with MPI's words.
TEST(Errors, AreThrown) {
  if (std::string(comm().backend()) != "mpi") GTEST_SKIP() << "for MPI";
  std::uint16_t half = 0;
  EXPECT_THROW(comm().all_reduce(&half, 1, CommType::bf16, CommOp::max), CommError);
  try {
    comm().send("", 0, 1000, 0);
    FAIL() << "sent to rank 1000";
  } catch (const CommError& error) {
    EXPECT_EQ(error.code(), ExitCode::peer_lost);
    EXPECT_NE(std::string(error.what()).find("rank"), std::string::npos) << error.what();
  }
}

TEST(Current, NothingBetweenCollectivesAndCountsTheSameOnAllRanks) {
  const std::uint64_t before = comm().current().sequence;
  EXPECT_STREQ(comm().current().name, "");
  comm().barrier();
  float value = 1;
  auto request = comm().all_reduce_async(&value, 1, CommType::f32);
  // One rank's request ends by test(), another's by wait().
  if (comm().rank() == 0) request->wait();
  else
    while (!request->test()) {
    }
  EXPECT_EQ(comm().current().sequence, before + 2);
  EXPECT_STREQ(comm().current().name, "");
}

// A second thread sees where this rank waits for rank 0, which comes late.
TEST(Current, WatchdogSeesWhereARankWaits) {
  if (comm().size() == 1) GTEST_SKIP() << "nobody to wait for";
  const auto check = [](const char* name, std::uint64_t bytes, const std::function<void()>& collective) {
    comm().barrier();
    if (comm().rank() == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      collective();
      return;
    }
    std::atomic<bool> ended{false}, seen{false};
    std::uint64_t seen_bytes = 0, seen_sequence = 0;
    std::int64_t since = 0;
    std::thread watchdog([&] {
      while (!ended) {
        const CurrentCollective now = comm().current();
        if (std::strcmp(now.name, name) != 0) continue;
        seen_bytes = now.bytes;
        seen_sequence = now.sequence;
        since = now.since_ns;
        seen = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
    const std::uint64_t before = comm().current().sequence;
    collective();
    ended = true;
    watchdog.join();
    EXPECT_TRUE(seen) << name;
    EXPECT_EQ(seen_bytes, bytes);
    EXPECT_EQ(seen_sequence, before + 1);
    EXPECT_GT(since, 0);
  };
  std::vector<float> values(1000), all(values.size() * static_cast<std::size_t>(comm().size()));
  check("barrier", 0, [] { comm().barrier(); });
  check("all_reduce", 4000, [&] { comm().all_reduce(values.data(), values.size(), CommType::f32); });
  check("all_reduce", 4000, [&] { comm().all_reduce_async(values.data(), values.size(), CommType::f32)->wait(); });
  check("all_gather", 4000, [&] { comm().all_gather(values.data(), 4000, all.data()); });
  check("broadcast", 4000, [&] { comm().broadcast(values.data(), 4000, 0); });
}

// Ranks bring several pieces each, or none; sums of several sizes are open at once.
TEST(TreeSum, SameBitsHoweverPiecesAreShared) {
  constexpr std::size_t grains = 13;
  const auto term = [](std::size_t grain, std::size_t i) {
    return std::ldexp(1.0F + 0.1F * static_cast<float>((grain * 7 + i) % 11), static_cast<int>((grain * 5 + i) % 13) - 6);
  };
  // Odd ranks bring nothing, where there are more than two; the others' pieces lie beside one another in the tree.
  std::vector<int> owners, alone(grains, 0);
  for (std::size_t g = 0; g < grains; ++g) {
    const int owner = static_cast<int>(g * static_cast<std::size_t>(size()) / grains);
    owners.push_back(size() > 2 ? owner / 2 * 2 : owner);
  }
  const auto tree = std::make_shared<const SumTree>(SumTree::fixed(owners, size()));
  const SumTree whole = SumTree::fixed(alone, 1);
  const auto stack_of = [&](const SumTree& of, int mine, const std::vector<int>& who, std::size_t count) {
    std::vector<std::vector<float>> stack;
    std::size_t number = 0;
    for (std::size_t g = 0; g < grains; ++g) {
      if (who[g] != mine) continue;
      stack.emplace_back(count);
      for (std::size_t i = 0; i < count; ++i) stack.back()[i] = term(g, i);
      for (int merge = of.merges(mine)[number++]; merge > 0; --merge) {
        for (std::size_t i = 0; i < count; ++i) stack[stack.size() - 2][i] += stack.back()[i];
        stack.pop_back();
      }
    }
    return stack;
  };
  const std::vector<std::size_t> lengths{1, 17, 65537, 300001, 2000003};
  std::vector<std::vector<std::vector<float>>> stacks;
  std::vector<std::vector<float>> sums;
  for (const std::size_t count : lengths) {
    stacks.push_back(stack_of(*tree, rank(), owners, count));
    sums.emplace_back(count);
  }
  std::vector<std::unique_ptr<Request>> open;
  for (std::size_t k = 0; k < lengths.size(); ++k) {
    std::vector<float*> pieces;
    for (auto& piece : stacks[k]) pieces.push_back(piece.data());
    // In place where there is a piece, as gradients are.
    open.push_back(comm().tree_sum_async(tree, pieces, pieces.empty() ? sums[k].data() : pieces.front(), lengths[k]));
  }
  for (std::size_t k = lengths.size(); k-- > 0;) {
    open[k]->wait();
    const std::vector<float>& got = stacks[k].empty() ? sums[k] : stacks[k].front();
    EXPECT_TRUE(got == stack_of(whole, 0, alone, lengths[k]).front()) << lengths[k] << " floats";
  }
}

}  // namespace
}  // namespace thaw
