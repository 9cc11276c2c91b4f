// Checks of options' values that CLI11 does not have.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <string>

namespace thaw {

// For CLI::Option::check: "" where all is well. CLI11's own checks of numbers let "nan" through.
inline std::string from_zero(const std::string& given) {
  double number = 0;
  const bool good = CLI::detail::lexical_cast(given, number) && number >= 0 && std::isfinite(number);
  return good ? std::string() : fmt::format("expected a number of 0 or more, found {}", given);
}

}  // namespace thaw
