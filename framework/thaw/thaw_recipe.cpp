#include "framework/thaw/thaw_recipe.h"

#include <fmt/format.h>

namespace thaw {

std::string in_words(const Until& until) {
  std::vector<std::string> ends;
  if (until.epochs) ends.push_back(fmt::format("{:g} epoch{}", *until.epochs, *until.epochs == 1 ? "" : "s"));
  if (until.steps) ends.push_back(fmt::format("{} steps", *until.steps));
  if (until.rows) ends.push_back(fmt::format("{} rows", *until.rows));
  if (until.end_epoch) ends.push_back(fmt::format("the run's epoch {}", *until.end_epoch));
  if (until.patience > 0) ends.push_back(fmt::format("{} evaluations without a gain", until.patience));
  for (const auto& [metric, value] : until.metrics) ends.push_back(fmt::format("{} {:g}", metric, value));
  return fmt::format("{}", fmt::join(ends, " or "));
}

}  // namespace thaw
