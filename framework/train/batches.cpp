#include "framework/train/batches.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "framework/base/error.h"

namespace thaw {

Batches::Batches(Order order, std::vector<std::vector<std::uint32_t>> sizes, const BatchRecipe& batch)
    : order_(std::move(order)), sizes_(std::move(sizes)), batch_(batch), grains_(batch.size / batch.grain) {}

const std::vector<std::uint64_t>& Batches::boundaries(std::uint64_t epoch) const {
  if (cached_epoch_ == static_cast<std::int64_t>(epoch)) return cached_boundaries_;
  cached_boundaries_.assign(1, 0);
  const std::int64_t most = batch_.size * (batch_.unit == BatchRecipe::Unit::seconds ? 100 : 1);
  std::int64_t filled = 0;
  for (std::uint64_t i = 0; i < order_.size(); ++i) {
    const std::int64_t row = size(order_.at(epoch, i));
    if (filled > 0 && filled + row > most) {
      cached_boundaries_.push_back(i);
      filled = 0;
    }
    filled += row;
  }
  cached_boundaries_.push_back(order_.size());
  cached_epoch_ = static_cast<std::int64_t>(epoch);
  return cached_boundaries_;
}

std::int64_t Batches::steps(std::uint64_t epoch) const {
  if (!by_rows()) return static_cast<std::int64_t>(boundaries(epoch).size()) - 1;
  return (static_cast<std::int64_t>(order_.size()) + batch_.size - 1) / batch_.size;
}

std::int64_t Batches::first_row(std::int64_t epoch, std::int64_t step) const {
  if (!by_rows()) return static_cast<std::int64_t>(boundaries(static_cast<std::uint64_t>(epoch))[static_cast<std::size_t>(step)]);
  return std::min(static_cast<std::int64_t>(order_.size()), step * batch_.size);
}

Position Batches::after(Position from, std::int64_t count) const {
  from.step += count;
  for (std::int64_t in_epoch; from.step >= (in_epoch = steps(static_cast<std::uint64_t>(from.epoch))); ++from.epoch) from.step -= in_epoch;
  return from;
}

std::int64_t Batches::steps_until(const Position& from, const Until& until) const {
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  if (until.steps) fewest = *until.steps;
  if (until.rows) fewest = std::min(fewest, steps_of_rows(from, *until.rows));
  if (until.epochs) fewest = std::min(fewest, steps_of_epochs(from, *until.epochs));
  if (until.end_epoch) {
    const std::int64_t epochs = std::max<std::int64_t>(1, *until.end_epoch - from.epoch);
    fewest = std::min(fewest, steps_of_epochs({from.epoch, 0}, static_cast<double>(epochs)) - from.step);
  }
  return std::max<std::int64_t>(1, fewest);
}

// An epoch's share is that of its steps: from step 3 of 10, one epoch ends before step 3 of the next, or where that one has
// 20 steps, before its step 6.
std::int64_t Batches::steps_of_epochs(const Position& from, double epochs) const {
  const auto in_epoch = [&](std::int64_t epoch) { return static_cast<double>(steps(static_cast<std::uint64_t>(epoch))); };
  constexpr double rounding = 1e-9;  // 0.1 + 0.2 epochs are 0.3
  const double end = static_cast<double>(from.step) / in_epoch(from.epoch) + epochs;
  const double whole = std::floor(end + rounding);
  std::int64_t count = -from.step;
  for (std::int64_t epoch = 0; epoch < static_cast<std::int64_t>(whole); ++epoch)
    count += steps(static_cast<std::uint64_t>(from.epoch + epoch));
  const double part = end - whole;
  if (part > rounding) {
    const double of_last = in_epoch(from.epoch + static_cast<std::int64_t>(whole));
    count += static_cast<std::int64_t>(std::ceil(part * of_last - rounding * of_last));
  }
  return count;
}

std::int64_t Batches::steps_of_rows(const Position& from, std::int64_t rows) const {
  std::int64_t left = rows + first_row(from.epoch, from.step), count = -from.step, epoch = from.epoch;
  for (const auto all = static_cast<std::int64_t>(order_.size()); left >= all; left -= all)
    count += steps(static_cast<std::uint64_t>(epoch++));
  std::int64_t last = 0;
  while (first_row(epoch, last) < left) ++last;
  return count + last;
}

// Rows go to the grain with the fewest tokens so far, longest row first, and no grain takes more than its share of rows:
// so ranks finish together. Inside a grain, rows keep their order.
Step Batches::step(std::uint64_t epoch, std::int64_t index) const {
  std::uint64_t begin = 0, end = 0;
  if (!by_rows()) {
    const auto& bounds = boundaries(epoch);
    begin = bounds[static_cast<std::size_t>(index)];
    end = bounds[static_cast<std::size_t>(index) + 1];
  } else {
    begin = static_cast<std::uint64_t>(index * batch_.size);
    end = std::min(order_.size(), begin + static_cast<std::uint64_t>(batch_.size));
  }
  std::vector<Order::Pick> picks;
  for (std::uint64_t i = begin; i < end; ++i) picks.push_back(order_.at(epoch, i));

  std::vector<std::size_t> by_length(picks.size());
  std::iota(by_length.begin(), by_length.end(), 0);
  std::stable_sort(by_length.begin(), by_length.end(), [&](std::size_t a, std::size_t b) { return size(picks[a]) > size(picks[b]); });
  const auto grains = static_cast<std::size_t>(grains_);
  const std::size_t share = (picks.size() + grains - 1) / grains;
  std::vector<std::vector<std::size_t>> members(grains);
  std::vector<std::int64_t> tokens(grains, 0);
  for (const std::size_t row : by_length) {
    std::size_t best = grains;
    for (std::size_t g = 0; g < grains; ++g)
      if (members[g].size() < share && (best == grains || tokens[g] < tokens[best])) best = g;
    members[best].push_back(row);
    tokens[best] += size(picks[row]);
  }

  Step step;
  for (std::size_t g = 0; g < grains; ++g) {
    std::sort(members[g].begin(), members[g].end());
    step.first_token.push_back(step.tokens);
    step.first_row.push_back(step.rows);
    auto& grain = step.grains.emplace_back();
    for (const std::size_t row : members[g]) grain.push_back(picks[row]);
    step.tokens += tokens[g];
    step.rows += static_cast<std::int64_t>(members[g].size());
  }
  return step;
}

BatchRecipe with_grain(BatchRecipe batch, int ranks, bool reproducible, bool audio) {
  constexpr int usual_ranks = 4;
  if (batch.grain == 0 && reproducible) {
    batch = with_grain(batch, static_cast<int>(std::min<std::int64_t>(usual_ranks, batch.size)), false, audio);
  } else if (batch.grain == 0) {
    const bool rows = batch.unit == BatchRecipe::Unit::rows;
    const std::int64_t usual = audio ? (rows ? 4 : 60) : (rows ? 16 : 1024);
    // The fewest grains that divide the batch and are no larger than usual: as many for each rank, or else at least one.
    std::int64_t grains = 0;
    for (const std::int64_t multiple : {std::int64_t{ranks}, std::int64_t{1}})
      for (std::int64_t n = ranks; n <= batch.size && grains == 0; ++n)
        if (n % multiple == 0 && batch.size % n == 0 && batch.size / n <= usual) grains = n;
    if (grains == 0)
      throw RecipeError("batch.size: {} cannot be shared by {} ranks: make batch.size a multiple of {}, or start fewer ranks", batch.size,
                        ranks, ranks);
    batch.grain = batch.size / grains;
  }
  const std::int64_t grains = batch.size / batch.grain;
  if (grains < ranks)
    throw RecipeError("batch.grain: {} of {} gives {} grains, fewer than the {} ranks: set batch.grain={} or less, or start fewer ranks",
                      batch.grain, batch.size, grains, ranks, std::max<std::int64_t>(1, batch.size / ranks));
  return batch;
}

}  // namespace thaw
