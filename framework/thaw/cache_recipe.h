// The `cache:` part of a recipe: activations at the frontier, see activation_cache.h.
#pragma once

#include <string>

namespace thaw {

struct CacheRecipe {
  // automatic: where rows come by the same frontier again, and it is above the first block; on: wherever layers sleep.
  enum class Mode { automatic, on, off } activations = Mode::automatic;
  std::string dir;     // empty: $SLURM_TMPDIR, $TMPDIR, the system's
  double max_gib = 0;  // of a node; 0: half of what is free there
  bool operator==(const CacheRecipe&) const = default;
};

}  // namespace thaw
