#include "datasets/shards/order.h"

#include <algorithm>
#include <cmath>

#include "framework/base/error.h"
#include "framework/base/random.h"

namespace thaw {
namespace {

// Uses of randomness, told apart by their last part.
constexpr std::uint64_t all_positions = 0, rows_of_source = 1;

}  // namespace

Order::Order(std::uint64_t seed, std::vector<Source> sources) : seed_(seed), sources_(std::move(sources)) {
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const auto [rows, weight] = sources_[i];
    const double count = weight * static_cast<double>(rows);
    if (!std::isfinite(weight) || weight < 0 || count > 9e15)
      throw DataError("the weight of source {} ({} rows): expected a finite number of 0 or more, found {}", i, rows, weight);
    ends_.push_back(end += static_cast<std::uint64_t>(std::llround(count)));
  }
}

Order::Pick Order::at(std::uint64_t epoch, std::uint64_t index) const {
  const std::uint64_t position = Permutation(random_key(seed_, epoch, all_positions), size())(index);
  const auto source = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), position) - ends_.begin());
  const std::uint64_t k = position - (source == 0 ? 0 : ends_[source - 1]), rows = sources_[source].rows;
  const Permutation shuffled(random_key(seed_, epoch, source, k / rows, rows_of_source), rows);
  return {static_cast<std::uint32_t>(source), shuffled(k % rows)};
}

}  // namespace thaw
