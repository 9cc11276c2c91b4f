#include <gtest/gtest.h>

#include <map>
#include <set>

#include "datasets/shards/order.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

using Counts = std::map<std::pair<std::uint32_t, std::uint64_t>, int>;

Counts epoch_counts(const Order& order, std::uint64_t epoch) {
  Counts counts;
  for (std::uint64_t i = 0; i < order.size(); ++i) {
    const Order::Pick pick = order.at(epoch, i);
    ++counts[{pick.source, pick.row}];
  }
  return counts;
}

TEST(Order, EveryRowComesAsOftenAsItsWeightSays) {
  for (const std::uint64_t rows : {1u, 2u, 3u, 7u, 64u, 1000u, 4097u}) {
    for (const double weight : {1.0, 2.0, 3.0, 0.5, 0.25, 1.5, 2.75}) {
      const Order order(7, {{rows, weight}, {10, 1.0}});
      const auto expected = static_cast<std::uint64_t>(std::llround(weight * static_cast<double>(rows)));
      ASSERT_EQ(order.size(), expected + 10);
      const Counts counts = epoch_counts(order, 3);
      std::uint64_t of_first = 0;
      for (const auto& [pick, count] : counts) {
        ASSERT_LT(pick.second, pick.first == 0 ? rows : 10);
        if (pick.first == 0) {
          EXPECT_GE(count, std::floor(weight));
          EXPECT_LE(count, std::ceil(weight));
          of_first += static_cast<std::uint64_t>(count);
        } else {
          EXPECT_EQ(count, 1);
        }
      }
      EXPECT_EQ(of_first, expected);
      if (weight >= 1) {
        EXPECT_EQ(counts.size(), rows + 10) << "a row is missing";
      }
    }
  }
}

TEST(Order, EpochsSeedsAndSourcesDiffer) {
  const Order order(1, {{1000, 1.0}, {1000, 1.0}}), other(2, {{1000, 1.0}, {1000, 1.0}});
  int same_epoch = 0, same_seed = 0, in_place = 0;
  for (std::uint64_t i = 0; i < order.size(); ++i) {
    same_epoch += order.at(0, i) == order.at(1, i);
    same_seed += order.at(0, i) == other.at(0, i);
    in_place += order.at(0, i).row == i;
  }
  EXPECT_LT(same_epoch, 10);
  EXPECT_LT(same_seed, 10);
  EXPECT_LT(in_place, 10);
}

// The halves of weight 0.5 are drawn anew each epoch, so that all rows are seen in the end.
TEST(Order, HalfTheRowsAreOthersNextEpoch) {
  const Order order(5, {{2000, 0.5}});
  std::set<std::uint64_t> seen;
  for (std::uint64_t epoch = 0; epoch < 20; ++epoch)
    for (std::uint64_t i = 0; i < order.size(); ++i) seen.insert(order.at(epoch, i).row);
  EXPECT_GT(seen.size(), 1990u);
}

TEST(Order, IsAFunctionOfItsArgumentsAlone) {
  const Order order(11, {{500, 1.0}});
  std::vector<Order::Pick> forwards, backwards(500);
  for (std::uint64_t i = 0; i < 500; ++i) forwards.push_back(order.at(9, i));
  for (std::uint64_t i = 500; i-- > 0;) backwards[i] = Order(11, {{500, 1.0}}).at(9, i);
  EXPECT_EQ(forwards, backwards);
  EXPECT_LE(sizeof(Order), 64u) << "no memory that grows with rows";
}

// Rows of both sources are mixed from the start to the end: a chi-square over ten parts of the epoch (9 degrees of freedom).
TEST(Order, SourcesAreMixedEvenly) {
  const Order order(3, {{9000, 1.0}, {500, 2.0}});
  double chi_square = 0;
  for (std::uint64_t part = 0; part < 10; ++part) {
    double found = 0;
    for (std::uint64_t i = 0; i < 1000; ++i) found += order.at(0, part * 1000 + i).source == 1;
    chi_square += (found - 100) * (found - 100) / 100;
  }
  EXPECT_LT(chi_square, 27.9);  // p = 0.001
}

TEST(Order, EmptySourcesAndWrongWeights) {
  EXPECT_EQ(Order(1, {}).size(), 0u);
  const Order order(1, {{0, 1.0}, {5, 0.0}, {4, 1.0}});
  for (std::uint64_t i = 0; i < order.size(); ++i) EXPECT_EQ(order.at(0, i).source, 2u);
  EXPECT_THROW(Order(1, {{5, -1.0}}), DataError);
  EXPECT_THROW(Order(1, {{5, std::nan("")}}), DataError);
  EXPECT_THROW(Order(1, {{5, 1e300}}), DataError);
}

}  // namespace
}  // namespace thaw
