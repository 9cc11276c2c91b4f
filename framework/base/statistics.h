#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace thaw {

// The value in the middle, of an even number the upper one; 0 where there are none.
inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace thaw
