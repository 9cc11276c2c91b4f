// The order of rows: a pure function of (seed, epoch, index, sources) in O(1) memory, the same on every rank.
// Within an epoch a row of a source of weight w comes floor(w) or ceil(w) times: weight 2 exactly twice, 0.5 every second
// row (other ones in another epoch), 1 exactly once.
#pragma once

#include <cstdint>
#include <vector>

namespace thaw {

class Order {
 public:
  struct Source {
    std::uint64_t rows = 0;
    double weight = 1;  // finite, not negative; else a DataError
  };
  struct Pick {
    std::uint32_t source = 0;
    std::uint64_t row = 0;
    bool operator==(const Pick&) const = default;
  };

  Order(std::uint64_t seed, std::vector<Source> sources);
  std::uint64_t size() const { return ends_.empty() ? 0 : ends_.back(); }  // rows of an epoch: the sum of round(weight · rows)
  Pick at(std::uint64_t epoch, std::uint64_t index) const;                 // index < size()

 private:
  std::uint64_t seed_;
  std::vector<Source> sources_;
  std::vector<std::uint64_t> ends_;  // cumulative rows of an epoch
};

}  // namespace thaw
