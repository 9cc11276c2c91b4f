// `thaw plan --ranks N --network …`: what a recipe would take on ranks that are not there.
#pragma once

#include <string>
#include <vector>

#include "launcher/ranks.h"

namespace thaw {

struct ScaleOptions {
  std::string recipe, network, all_reduce;  // all_reduce: "auto", or a name of AllReduce
  std::vector<std::string> overrides;
  int ranks = 0, ranks_per_node = 1;
  int measure = 8;
  bool json = false;
};

int plan_at_scale(Ranks& ranks, const ScaleOptions& options);

}  // namespace thaw
