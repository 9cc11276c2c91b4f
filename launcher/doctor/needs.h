// What a recipe needs of machines and network, for `thaw doctor recipe.yaml`.
#pragma once

#include <string>
#include <vector>

#include "framework/base/json.h"
#include "framework/comm/network_model.h"
#include "launcher/ranks.h"

namespace thaw::doctor {

// Bytes to sum in a step of the costliest phase, memory before activations, checkpoints; how long the sums take on `network`.
// Opens the data and loads the model. Collective.
Json needs_of(const std::string& recipe, const std::vector<std::string>& overrides, Ranks& ranks, const NetworkModel& network);

}  // namespace thaw::doctor
