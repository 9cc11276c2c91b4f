#include "framework/comm/step_model.h"

#include <algorithm>

namespace thaw {

StepCost step_cost(const ComputeProfile& profile, const NetworkModel& network, Layout layout, AllReduce algorithm) {
  double network_free = 0, sums = 0;
  for (const ComputeProfile::Bucket& bucket : profile.buckets) {
    const double seconds = all_reduce_s(network, layout, algorithm, bucket.bytes);
    network_free = std::max(network_free, bucket.ready_s) + seconds;
    sums += seconds;
  }
  // Short ones take the binomial tree whatever is chosen for long ones; a few numbers each.
  const double after = all_gather_s(network, layout, 8) + all_gather_s(network, layout, profile.sparse_bytes);
  const double small = profile.small_sums * all_reduce_s(network, layout, AllReduce::binomial, 64);
  StepCost cost;
  cost.compute_s = profile.step_s;
  cost.open_s = std::max(0.0, network_free - profile.backward_s) + (profile.sparse_bytes > 0 ? after : 0) + small;
  cost.hidden_s = sums - std::max(0.0, std::min(sums, network_free - profile.backward_s));
  cost.step_s = cost.compute_s + cost.open_s;
  return cost;
}

}  // namespace thaw
