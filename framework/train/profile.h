// What a rank computes in a step of each phase, and when its gradients are ready to be summed: measured on the ranks that are
// there, for the step model (framework/comm/step_model.h) to put on any number of them.
#pragma once

#include <vector>

#include "framework/comm/step_model.h"
#include "framework/train/trainer.h"

namespace thaw {

struct PhaseProfile {
  ComputeProfile computed;
  ComputeProfile cached;  // with what its frontier reads kept
  bool has_cache = false;
};

// `trainer` sums by a silent communicator; `comm` is the real one. So many steps of each phase are taken, twice. Collective.
std::vector<PhaseProfile> profile_phases(Trainer& trainer, Communicator& comm, int steps);

}  // namespace thaw
