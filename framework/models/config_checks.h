// What architectures check of numbers in config.json. A wrong one is a DataError that names file, key, expected, found.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "framework/base/json.h"

namespace thaw {

// An integer from 1 to `most`.
inline std::int64_t checked_positive(const JsonView& value, std::int64_t most = 1'000'000'000) {
  const std::int64_t number = value.integer();
  if (number <= 0 || number > most) value.fail(fmt::format("an integer from 1 to {}", most));
  return number;
}

// The same under a key: required, or `otherwise`.
inline std::int64_t positive(const JsonView& json, const std::string& key) { return checked_positive(json[key]); }
inline std::int64_t positive_or(const JsonView& json, const std::string& key, std::int64_t otherwise, std::int64_t most = 1'000'000'000) {
  return json.has(key) ? checked_positive(json[key], most) : otherwise;
}

inline double probability_or(const JsonView& json, const std::string& key, double otherwise) {
  const double value = json.number_or(key, otherwise);
  if (!(value >= 0 && value < 1)) json[key].fail("a probability in [0, 1)");
  return value;
}

constexpr std::int64_t most_layers = 1000;

// A list of positive integers, one a convolution; `otherwise` where there is none.
inline std::vector<std::int64_t> positive_list(const JsonView& json, const char* key, std::vector<std::int64_t> otherwise) {
  constexpr std::int64_t most_convolutions = 64;
  if (!json.has(key)) return otherwise;
  const JsonView list = json[key];
  if (!list.raw().is_array() || list.size() == 0 || list.size() > most_convolutions) list.fail("a list of numbers, one a convolution");
  std::vector<std::int64_t> values;
  for (std::size_t i = 0; i < list.size(); ++i) values.push_back(checked_positive(list[i], 1'000'000));
  return values;
}

}  // namespace thaw
