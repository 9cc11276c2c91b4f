// Batches: which rows make up step s of epoch e, and how they are shared out over grains. A pure function of the order,
// the rows' lengths and the recipe, computed alike by every rank. Grains do not depend on the number of ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/shards/order.h"
#include "framework/thaw/plan.h"
#include "framework/train/recipe.h"

namespace thaw {

struct Step {
  std::vector<std::vector<Order::Pick>> grains;  // some may be empty in an epoch's last step
  std::vector<std::int64_t> first_token;         // by grain: sizes of the step's grains before it, added up
  std::vector<std::int64_t> first_row;           // likewise
  std::int64_t rows = 0, tokens = 0;
};

class Batches {
 public:
  // sizes[source][row]: tokens, or hundredths of a second of audio. `batch.grain` divides `batch.size`.
  Batches(Order order, std::vector<std::vector<std::uint32_t>> sizes, const BatchRecipe& batch);

  std::int64_t grains() const { return grains_; }
  std::int64_t steps(std::uint64_t epoch) const;  // O(1) for row batches; one pass over the sizes for others
  Step step(std::uint64_t epoch, std::int64_t index) const;

  Position after(Position from, std::int64_t steps) const;
  // Steps from `from` until so many epochs, rows or steps more were seen, whichever comes first; at least 1.
  std::int64_t steps_until(const Position& from, const Until& until) const;
  std::int64_t steps_of_epochs(const Position& from, double epochs) const;
  std::int64_t steps_of_rows(const Position& from, std::int64_t rows) const;

 private:
  std::int64_t size(Order::Pick pick) const { return sizes_[pick.source][pick.row]; }
  std::int64_t first_row(std::int64_t epoch, std::int64_t step) const;  // in the epoch's order; of step steps(epoch): all rows
  bool by_rows() const { return batch_.unit == BatchRecipe::Unit::rows; }
  const std::vector<std::uint64_t>& boundaries(std::uint64_t epoch) const;  // of batches by size; kept for one epoch

  Order order_;
  std::vector<std::vector<std::uint32_t>> sizes_;
  BatchRecipe batch_;
  std::int64_t grains_;
  mutable std::int64_t cached_epoch_ = -1;
  mutable std::vector<std::uint64_t> cached_boundaries_;
};

// The grain that suits a number of ranks where the recipe leaves it open: 16 rows (1024 tokens; of audio 4 rows, 60 seconds), or less so that
// every rank has as many grains as the others. A reproducible run's does not depend on the ranks: it is chosen for four.
// Throws RecipeError where there are fewer grains than ranks.
BatchRecipe with_grain(BatchRecipe batch, int ranks, bool reproducible = false, bool audio = false);

}  // namespace thaw
