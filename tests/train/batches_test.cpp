// Which rows make a step, and how grains share them.
#include "framework/train/batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "framework/base/error.h"

namespace thaw {
namespace {

std::vector<std::uint32_t> lengths(std::uint64_t rows) {
  std::vector<std::uint32_t> all;
  for (std::uint64_t row = 0; row < rows; ++row) all.push_back(static_cast<std::uint32_t>(3 + row * 7919 % 60));
  return all;
}

BatchRecipe recipe(BatchRecipe::Unit unit, std::int64_t size, std::int64_t grain) {
  BatchRecipe batch;
  batch.unit = unit;
  batch.size = size;
  batch.grain = grain;
  return batch;
}

TEST(Batches, EveryRowOnceAnEpoch) {
  for (const auto& batch : {recipe(BatchRecipe::Unit::rows, 32, 8), recipe(BatchRecipe::Unit::tokens, 500, 100)}) {
    const Batches batches(Order(1, {{203, 1.0}}), {lengths(203)}, batch);
    for (const std::uint64_t epoch : {0, 1}) {
      std::multiset<std::uint64_t> seen;
      for (std::int64_t s = 0; s < batches.steps(epoch); ++s) {
        const Step step = batches.step(epoch, s);
        EXPECT_EQ(static_cast<std::int64_t>(step.grains.size()), batches.grains());
        std::int64_t rows = 0, tokens = 0;
        for (std::size_t g = 0; g < step.grains.size(); ++g) {
          EXPECT_EQ(step.first_row[g], rows);
          EXPECT_EQ(step.first_token[g], tokens);
          for (const Order::Pick pick : step.grains[g]) {
            seen.insert(pick.row);
            tokens += lengths(203)[pick.row];
            ++rows;
          }
        }
        EXPECT_EQ(step.rows, rows);
        EXPECT_EQ(step.tokens, tokens);
        EXPECT_TRUE(batch.unit == BatchRecipe::Unit::rows || tokens <= 500);
      }
      EXPECT_EQ(seen.size(), 203U);
      EXPECT_EQ(std::set<std::uint64_t>(seen.begin(), seen.end()).size(), 203U);
    }
  }
}

TEST(Batches, GrainsWeighAlike) {
  const Batches batches(Order(1, {{640, 1.0}}), {lengths(640)}, recipe(BatchRecipe::Unit::rows, 32, 16));
  for (std::int64_t s = 0; s < batches.steps(0); ++s) {
    const Step step = batches.step(0, s);
    EXPECT_EQ(step.grains[0].size(), 16U);
    EXPECT_LE(std::abs(2 * step.first_token[1] - step.tokens), step.tokens / 20);
  }
}

TEST(Batches, AnEndEpochCountsFromTheRunsBeginning) {
  const Batches batches(Order(1, {{203, 1.0}}), {lengths(203)}, recipe(BatchRecipe::Unit::rows, 32, 8));  // 7 steps an epoch
  Until until;
  until.end_epoch = 5;
  EXPECT_EQ(batches.steps_until({0, 0}, until), 35);
  EXPECT_EQ(batches.steps_until({2, 0}, until), 21);
  EXPECT_EQ(batches.steps_until({2, 3}, until), 18);
  EXPECT_EQ(batches.steps_until({5, 0}, until), 7) << "one epoch at the least";
  until.steps = 4;
  EXPECT_EQ(batches.steps_until({2, 0}, until), 4);
}

TEST(Batches, LastStepMayLeaveGrainsEmpty) {
  const Batches batches(Order(1, {{33, 1.0}}), {lengths(33)}, recipe(BatchRecipe::Unit::rows, 32, 8));
  EXPECT_EQ(batches.steps(0), 2);
  const Step last = batches.step(0, 1);
  EXPECT_EQ(last.rows, 1);
  EXPECT_EQ(last.grains.size(), 4U);
}

TEST(Batches, GrainIsChosenForTheRanks) {
  EXPECT_EQ(with_grain(recipe(BatchRecipe::Unit::rows, 32, 0), 1).grain, 16);
  EXPECT_EQ(with_grain(recipe(BatchRecipe::Unit::rows, 32, 0), 2).grain, 16);
  EXPECT_EQ(with_grain(recipe(BatchRecipe::Unit::rows, 32, 0), 4).grain, 8);
  EXPECT_EQ(with_grain(recipe(BatchRecipe::Unit::rows, 24, 0), 3).grain, 8);
  // every rank the same number of grains, where that can be
  EXPECT_EQ(with_grain(recipe(BatchRecipe::Unit::rows, 48, 0), 2).grain, 12);
  EXPECT_EQ(with_grain(recipe(BatchRecipe::Unit::rows, 48, 0), 3).grain, 16);
  EXPECT_EQ(with_grain(recipe(BatchRecipe::Unit::rows, 32, 0), 3).grain, 8);
  EXPECT_THROW(with_grain(recipe(BatchRecipe::Unit::rows, 2, 0), 4), RecipeError);
  EXPECT_THROW(with_grain(recipe(BatchRecipe::Unit::rows, 32, 16), 4), RecipeError);
}

}  // namespace
}  // namespace thaw
