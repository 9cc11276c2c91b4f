// The phases of a run on its time line: what learns in each, when it began, how it ended, how long it will be.
#pragma once

#include <optional>

#include "framework/train/recipe.h"
#include "launcher/page/run_log.h"

namespace thaw {

struct PhaseTimeline {
  Json phases = Json::array();              // see README.md
  std::optional<std::int64_t> total_steps;  // of the run; nothing where the log does not tell yet how many steps an epoch has
  bool exact = false;                       // no phase still to come may end early
};

// `recipe` may be null, and `result` (result.json) too.
PhaseTimeline phase_timeline(const Recipe* recipe, const RunLog& log, const Json& result);

}  // namespace thaw
