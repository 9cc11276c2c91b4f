// A training step at any number of ranks: what a rank computes, as measured without a network, and the sums of its gradients
// by the network model. Buckets are summed one after another from when backward has filled them; what is not done when
// backward ends is open, and the ranks wait for it. Not in it: ranks that are slower than others, and other jobs' traffic.
#pragma once

#include <vector>

#include "framework/comm/network_model.h"

namespace thaw {

struct ComputeProfile {
  struct Bucket {
    double bytes = 0, ready_s = 0;  // since the step began
  };
  double step_s = 0;      // the whole step of the slowest rank, no byte sent
  double backward_s = 0;  // of it until the last gradient is there
  std::vector<Bucket> buckets;
  double sparse_bytes = 0;  // of a rank: rows of embeddings, which all ranks get from all
  int small_sums = 2;       // losses, and what the ranks agree on between steps
};

struct StepCost {
  double step_s = 0, compute_s = 0;
  double hidden_s = 0, open_s = 0;  // communication, behind backward and after it
  double efficiency() const { return step_s > 0 ? compute_s / step_s : 1; }
};

StepCost step_cost(const ComputeProfile& profile, const NetworkModel& network, Layout layout, AllReduce algorithm);

}  // namespace thaw
