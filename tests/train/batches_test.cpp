// Which rows make a step, and how grains share them.
#include "framework/train/batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
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

// How long phases are, against walking there step by step: from the middle of epochs, whose steps differ for token batches.
TEST(Batches, StepsUntilAsWalked) {
  for (const auto& batch :
       {recipe(BatchRecipe::Unit::rows, 32, 8), recipe(BatchRecipe::Unit::rows, 203, 203), recipe(BatchRecipe::Unit::rows, 500, 100),
        recipe(BatchRecipe::Unit::tokens, 500, 100), recipe(BatchRecipe::Unit::tokens, 131, 131)}) {
    const Batches batches(Order(1, {{203, 1.0}}), {lengths(203)}, batch);
    std::set<std::int64_t> lengths_of_epochs;
    for (const std::int64_t epoch : {0, 2, 3})
      for (const double part : {0.0, 0.2, 0.5, 0.99}) {
        const std::int64_t in_epoch = batches.steps(static_cast<std::uint64_t>(epoch));
        lengths_of_epochs.insert(in_epoch);
        const Position from{epoch, static_cast<std::int64_t>(part * static_cast<double>(in_epoch))};
        const auto walk = [&](const std::function<bool(std::int64_t steps, std::int64_t rows, double epochs)>& enough) {
          Position at = from;
          std::int64_t steps = 0, rows = 0;
          double epochs = 0;
          const double begun = static_cast<double>(from.step) / static_cast<double>(in_epoch);
          do {
            rows += batches.step(static_cast<std::uint64_t>(at.epoch), at.step).rows;
            ++steps;
            if (++at.step == batches.steps(static_cast<std::uint64_t>(at.epoch))) at = {at.epoch + 1, 0};
            const auto of = static_cast<double>(batches.steps(static_cast<std::uint64_t>(at.epoch)));
            epochs = static_cast<double>(at.epoch - from.epoch) + static_cast<double>(at.step) / of - begun;
          } while (!enough(steps, rows, epochs));
          const Position after = batches.after(from, steps);
          EXPECT_EQ(after.epoch, at.epoch);
          EXPECT_EQ(after.step, at.step);
          return steps;
        };
        for (const double epochs : {0.01, 0.1, 1.0 / 3, 0.5, 1.0, 1.5, 2.0, 2.75}) {
          Until until;
          until.epochs = epochs;
          EXPECT_EQ(batches.steps_until(from, until), walk([&](auto, auto, double seen) { return seen >= epochs - 1e-9; }))
              << epochs << " epochs from " << epoch << ", step " << from.step << " of " << in_epoch;
        }
        for (const std::int64_t rows : {1, 31, 32, 33, 202, 203, 204, 406, 1000}) {
          Until until;
          until.rows = rows;
          EXPECT_EQ(batches.steps_until(from, until), walk([&](auto, std::int64_t seen, auto) { return seen >= rows; }))
              << rows << " rows from " << epoch << ", step " << from.step << " of " << in_epoch;
        }
        for (const std::int64_t steps : {1, 2, 9, 40}) {
          Until until{1.5, steps, 260, 0, {}, {}};  // whichever comes first
          EXPECT_EQ(batches.steps_until(from, until), walk([&](std::int64_t done, std::int64_t rows, double epochs) {
                      return done >= steps || rows >= 260 || epochs >= 1.5 - 1e-9;
                    }));
        }
      }
    EXPECT_EQ(lengths_of_epochs.size() > 1, batch.size == 131) << "epochs of several lengths are among these";
  }
}

// `batch: {seconds: 6, grain: 3}`: sizes are hundredths of a second.
TEST(Batches, StepsOfSeconds) {
  std::vector<std::uint32_t> sizes = lengths(203);  // 0.03 to 0.62 s
  sizes[17] = 900;                                  // longer than a step: one of its own
  const Batches batches(Order(1, {{203, 1.0}}), {sizes}, recipe(BatchRecipe::Unit::seconds, 6, 3));
  EXPECT_EQ(batches.grains(), 2);
  for (const std::uint64_t epoch : {0, 1}) {
    std::multiset<std::uint64_t> seen;
    std::int64_t all = 0;
    for (std::int64_t s = 0; s < batches.steps(epoch); ++s) {
      const Step step = batches.step(epoch, s);
      std::set<std::uint64_t> rows;
      std::int64_t size = 0;
      for (const auto& grain : step.grains)
        for (const Order::Pick pick : grain) size += sizes[pick.row], rows.insert(pick.row);
      EXPECT_EQ(step.tokens, size);
      EXPECT_EQ(step.rows, static_cast<std::int64_t>(rows.size()));
      EXPECT_TRUE(rows.contains(17) ? rows.size() == 1 : size <= 600) << size;
      // Full but for what the next row would have added.
      const bool last = s + 1 == batches.steps(epoch);
      EXPECT_TRUE(last || rows.contains(17) || size > 600 - 62 || batches.step(epoch, s + 1).rows == 1) << size;
      EXPECT_LE(std::abs(2 * step.first_token[1] - step.tokens), rows.contains(17) ? 900 : 62) << "grains are alike";
      seen.insert(rows.begin(), rows.end());
      all += size;
    }
    EXPECT_EQ(seen.size(), 203U);
    EXPECT_EQ(all, std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}));
  }
  // The same rows by a hundred times as many tokens.
  const Batches tokens(Order(1, {{203, 1.0}}), {sizes}, recipe(BatchRecipe::Unit::tokens, 600, 300));
  EXPECT_EQ(tokens.steps(0), batches.steps(0));
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
  // Of audio: four rows, or a minute.
  const auto of_audio = [](BatchRecipe::Unit unit, std::int64_t size, int ranks, bool reproducible = false) {
    return with_grain(recipe(unit, size, 0), ranks, reproducible, /*audio=*/true).grain;
  };
  EXPECT_EQ(of_audio(BatchRecipe::Unit::rows, 32, 1), 4);
  EXPECT_EQ(of_audio(BatchRecipe::Unit::rows, 6, 1), 3);
  EXPECT_EQ(of_audio(BatchRecipe::Unit::rows, 8, 4), 2);
  EXPECT_EQ(of_audio(BatchRecipe::Unit::seconds, 240, 1), 60);
  EXPECT_EQ(of_audio(BatchRecipe::Unit::seconds, 240, 8), 30);
  EXPECT_EQ(of_audio(BatchRecipe::Unit::seconds, 240, 1, /*reproducible=*/true), 60);
  EXPECT_EQ(of_audio(BatchRecipe::Unit::seconds, 120, 1, /*reproducible=*/true), 30) << "for four ranks, however many there are";
  EXPECT_EQ(with_grain(recipe(BatchRecipe::Unit::tokens, 4096, 0), 1).grain, 1024) << "of text";
  EXPECT_THROW(with_grain(recipe(BatchRecipe::Unit::rows, 2, 0), 4), RecipeError);
  EXPECT_THROW(with_grain(recipe(BatchRecipe::Unit::rows, 32, 16), 4), RecipeError);
}

}  // namespace
}  // namespace thaw
