#include "framework/base/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace thaw {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t corner = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j)
      corner = std::exchange(row[j + 1], std::min({row[j + 1] + 1, row[j] + 1, corner + (a[i] == b[j] ? 0u : 1u)}));
  }
  return row.back();
}

std::string nearest_of(const std::vector<std::string>& names, std::string_view word) {
  const auto nearest = std::min_element(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return edit_distance(a, word) < edit_distance(b, word);
  });
  return nearest == names.end() ? "" : *nearest;
}

}  // namespace thaw
