// The network model's formulas against the algorithms themselves: each is run here message by message, on ranks with clocks,
// and must end with the right sum on every rank.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>

#include "framework/base/error.h"
#include "framework/comm/step_model.h"

namespace thaw {
namespace {

const NetworkModel network{"test", {1e-6, 1e-10}, {20e-6, 8e-9}, 2e-10};

struct Message {
  int from, to;
  std::size_t begin, end;  // of the values
  bool add;                // to what is there; else in its place
};
using Round = std::vector<Message>;

// Ranks with values and clocks. A round's messages leave when both ends are ready; those that leave or reach one node share
// its link evenly.
class Machine {
 public:
  Machine(Layout layout, double bytes) : layout_(layout), clocks_(layout.ranks), values_(layout.ranks, std::vector<double>(count())) {
    for (int r = 0; r < layout.ranks; ++r)
      for (std::size_t i = 0; i < count(); ++i) values_[r][i] = term(r, i);
    byte_ = bytes / static_cast<double>(count());
  }
  std::size_t count() const { return 64 * static_cast<std::size_t>(layout_.ranks); }

  void run(const Round& round) {
    std::vector<double> out(layout_.nodes()), in(layout_.nodes());
    const auto crosses = [&](const Message& m) { return node(m.from) != node(m.to); };
    for (const Message& m : round)
      if (crosses(m)) {
        out[node(m.from)] += bytes(m);
        in[node(m.to)] += bytes(m);
      }
    const auto before = clocks_;
    const auto sent = values_;
    for (const Message& m : round) {
      const double seconds =
          crosses(m) ? network.between.message_s(std::max(out[node(m.from)], in[node(m.to)])) : network.within.message_s(bytes(m));
      const double end = std::max(before[m.from], before[m.to]) + seconds;
      clocks_[m.from] = std::max(clocks_[m.from], end);
      clocks_[m.to] = std::max(clocks_[m.to], end + (m.add ? bytes(m) * network.reduce_s_per_byte : 0));
      for (std::size_t i = m.begin; i < m.end; ++i) values_[m.to][i] = sent[m.from][i] + (m.add ? values_[m.to][i] : 0);
    }
  }
  double seconds() const { return *std::max_element(clocks_.begin(), clocks_.end()); }
  void expect_sums() const {
    for (std::size_t i = 0; i < count(); ++i) {
      double sum = 0;
      for (int r = 0; r < layout_.ranks; ++r) sum += term(r, i);
      for (int r = 0; r < layout_.ranks; ++r) ASSERT_EQ(values_[r][i], sum) << "rank " << r << ", value " << i;
    }
  }

 private:
  static double term(int rank, std::size_t i) { return rank * 1000.0 + static_cast<double>(i % 97); }
  int node(int rank) const { return rank / layout_.ranks_per_node; }
  double bytes(const Message& m) const { return static_cast<double>(m.end - m.begin) * byte_; }

  Layout layout_;
  double byte_ = 0;
  std::vector<double> clocks_;
  std::vector<std::vector<double>> values_;
};

void run_binomial(Machine& machine, int ranks) {
  for (int distance = 1; distance < ranks; distance *= 2) {
    Round round;
    for (int r = distance; r < ranks; r += 2 * distance) round.push_back({r, r - distance, 0, machine.count(), true});
    machine.run(round);
  }
  for (int distance = 1; distance < ranks; distance *= 2) {
    Round round;
    for (int r = 0; r < distance && r + distance < ranks; ++r) round.push_back({r, r + distance, 0, machine.count(), false});
    machine.run(round);
  }
}

void run_ring(Machine& machine, int ranks) {
  const std::size_t part = machine.count() / static_cast<std::size_t>(ranks);
  for (int step = 0; step < 2 * (ranks - 1); ++step) {
    Round round;
    for (int r = 0; r < ranks; ++r) {
      const auto piece = static_cast<std::size_t>(((r - step) % ranks + ranks) % ranks);
      round.push_back({r, (r + 1) % ranks, piece * part, (piece + 1) * part, step < ranks - 1});
    }
    machine.run(round);
  }
}

// What ranks that are no power of two do first and last: the even ones of the first pairs leave the rest to the odd ones.
std::vector<int> fold(Machine& machine, int ranks, bool back) {
  const int even = static_cast<int>(std::bit_floor(static_cast<unsigned>(ranks))), rest = ranks - even;
  Round round;
  std::vector<int> who;
  for (int r = 0; r < ranks; ++r) {
    if (r < 2 * rest && r % 2 == 0)
      round.push_back(back ? Message{r + 1, r, 0, machine.count(), false} : Message{r, r + 1, 0, machine.count(), true});
    else who.push_back(r);
  }
  machine.run(round);
  return who;
}

void run_doubling(Machine& machine, int ranks) {
  const std::vector<int> who = fold(machine, ranks, false);
  for (std::size_t distance = 1; distance < who.size(); distance *= 2) {
    Round round;
    for (std::size_t v = 0; v < who.size(); ++v) round.push_back({who[v], who[v ^ distance], 0, machine.count(), true});
    machine.run(round);
  }
  fold(machine, ranks, true);
}

void run_rabenseifner(Machine& machine, int ranks) {
  std::vector<std::pair<std::size_t, std::size_t>> own(static_cast<std::size_t>(ranks), {0, machine.count()});
  std::vector<std::vector<std::pair<std::size_t, std::size_t>>> before(own.size());
  for (std::size_t distance = 1; distance < own.size(); distance *= 2) {
    Round round;
    for (std::size_t v = 0; v < own.size(); ++v) {
      const auto [begin, end] = own[v];
      const std::size_t middle = (begin + end) / 2;
      const bool upper = (v & distance) != 0;  // keeps the upper half, and sends the lower one
      round.push_back({static_cast<int>(v), static_cast<int>(v ^ distance), upper ? begin : middle, upper ? middle : end, true});
      before[v].push_back(own[v]);
      own[v] = upper ? std::pair{middle, end} : std::pair{begin, middle};
    }
    machine.run(round);
  }
  for (std::size_t distance = own.size() / 2; distance > 0; distance /= 2) {
    Round round;
    for (std::size_t v = 0; v < own.size(); ++v)
      round.push_back({static_cast<int>(v), static_cast<int>(v ^ distance), own[v].first, own[v].second, false});
    machine.run(round);
    for (std::size_t v = 0; v < own.size(); ++v) {
      own[v] = before[v].back();
      before[v].pop_back();
    }
  }
}

struct Case {
  AllReduce algorithm;
  std::function<void(Machine&, int)> run;
  std::vector<int> ranks;
};

TEST(NetworkModel, FormulasAreWhatTheMessagesTake) {
  const std::vector<int> all{2, 3, 4, 5, 7, 8, 12, 16, 24, 32}, powers{2, 4, 8, 16, 32};
  const std::vector<Case> cases{{AllReduce::binomial, run_binomial, powers},
                                {AllReduce::ring, run_ring, all},
                                {AllReduce::recursive_doubling, run_doubling, powers},
                                {AllReduce::rabenseifner, run_rabenseifner, powers}};
  for (const Case& each : cases)
    for (const int ranks : each.ranks)
      for (const int of_node : {1, 2, 4, 8, 32})
        for (const double bytes : {64.0, 1e5, 1e8}) {
          if (ranks % of_node != 0 && of_node < ranks) continue;
          const Layout layout{ranks, of_node};
          Machine machine(layout, bytes);
          each.run(machine, ranks);
          machine.expect_sums();
          EXPECT_NEAR(all_reduce_s(network, layout, each.algorithm, bytes) / machine.seconds(), 1, 0.02)
              << name_of(each.algorithm) << ", " << ranks << " ranks, " << of_node << " a node, " << bytes << " bytes";
        }
}

// Where ranks are no power of two, who sits where decides: the formula takes the worse of it.
TEST(NetworkModel, OddNumbersOfRanksAreBounded) {
  for (const int ranks : {3, 5, 6, 7, 11, 12, 17, 24})
    for (const int of_node : {1, 2, 4})
      for (const auto& [algorithm, run] :
           {std::pair{AllReduce::binomial, &run_binomial}, std::pair{AllReduce::recursive_doubling, &run_doubling}}) {
        const Layout layout{ranks, of_node};
        Machine machine(layout, 1e7);
        run(machine, ranks);
        machine.expect_sums();
        const double ratio = all_reduce_s(network, layout, algorithm, 1e7) / machine.seconds();
        EXPECT_GE(ratio, 0.75) << name_of(algorithm) << ", " << ranks << " ranks, " << of_node << " a node";
        EXPECT_LE(ratio, algorithm == AllReduce::binomial ? 1.5 : 3)
            << name_of(algorithm) << ", " << ranks << " ranks, " << of_node << " a node";
      }
}

TEST(NetworkModel, ManyRanksWantTheirBandwidthShared) {
  const Layout large{4096, 8};
  const double bytes = 44e6;
  const auto seconds = [&](AllReduce algorithm) { return all_reduce_s(network, large, algorithm, bytes); };
  EXPECT_LT(seconds(AllReduce::two_level), seconds(AllReduce::rabenseifner) * 1.2);
  EXPECT_LT(seconds(AllReduce::rabenseifner) * 10, seconds(AllReduce::binomial));
  EXPECT_EQ(all_reduce_s(network, {1, 1}, AllReduce::ring, bytes), 0);
  EXPECT_LT(all_reduce_s(network, {8, 8}, AllReduce::ring, bytes), all_reduce_s(network, {8, 4}, AllReduce::ring, bytes));
}

TEST(NetworkModel, OpenMpisSettingsAreRead) {
  EXPECT_EQ(all_reduce_of_open_mpi(nullptr), AllReduce::binomial);
  EXPECT_EQ(all_reduce_of_open_mpi("0"), AllReduce::binomial);
  EXPECT_EQ(all_reduce_of_open_mpi("1"), AllReduce::ring);
  EXPECT_EQ(all_reduce_of_open_mpi("rabenseifner"), AllReduce::rabenseifner);
  EXPECT_THROW(all_reduce_named("tree"), UsageError);
}

TEST(NetworkModel, IsNamedOrReadFromAFile) {
  EXPECT_NEAR(1 / network_of("10gbit").between.beta_s_per_byte, 1.17e9, 1e7);
  EXPECT_THROW(network_of("no-such-network"), UsageError);
  const auto file = std::filesystem::temp_directory_path() / fmt::format("thaw-network-{}.json", ::getpid());
  std::ofstream(file) << network_json(network);
  const NetworkModel read = network_of(file.string());
  EXPECT_EQ(read.between.alpha_s, network.between.alpha_s);
  EXPECT_EQ(read.within.beta_s_per_byte, network.within.beta_s_per_byte);
  EXPECT_EQ(read.reduce_s_per_byte, network.reduce_s_per_byte);
  std::ofstream(file) << R"({"between": {"alpha_s": -1, "beta_s_per_byte": 0}})";
  EXPECT_THROW(network_of(file.string()), DataError);
  std::filesystem::remove(file);
}

// One second for each bucket: the first is behind backward, of the second one half, and the rows of embeddings come after.
TEST(StepModel, WhatBackwardDoesNotHideIsOpen) {
  NetworkModel slow{"slow", {}, {0, 1e-6}, 0};
  ComputeProfile profile{4, 3, {{5e5, 1.0}, {5e5, 2.5}}, 0, 0};
  const StepCost cost = step_cost(profile, slow, {2, 1}, AllReduce::binomial);
  EXPECT_NEAR(cost.open_s, 0.5, 1e-9);
  EXPECT_NEAR(cost.hidden_s, 1.5, 1e-9);
  EXPECT_NEAR(cost.step_s, 4.5, 1e-9);
  EXPECT_NEAR(cost.efficiency(), 4 / 4.5, 1e-9);
  profile.sparse_bytes = 1e5;
  EXPECT_NEAR(step_cost(profile, slow, {2, 1}, AllReduce::binomial).open_s, 0.6, 1e-4);
  EXPECT_EQ(step_cost(profile, slow, {1, 1}, AllReduce::binomial).step_s, 4);
}

}  // namespace
}  // namespace thaw
