#include "framework/train/profile.h"

#include <algorithm>
#include <set>

namespace thaw {
namespace {

// Means over the steps, of the slowest rank.
ComputeProfile profile_steps(Trainer& trainer, Communicator& comm, int count) {
  const Batches& batches = trainer.batches();
  ComputeProfile mean;
  for (int i = 0; i < count; ++i) {
    mean.step_s += trainer.take(batches.step(0, i * batches.steps(0) / count)).step_s / count;
    const GradientSync& sync = trainer.gradients();
    mean.backward_s += sync.backward_s() / count;
    mean.sparse_bytes += static_cast<double>(sync.sparse_bytes()) / count;
    mean.buckets.resize(sync.launches().size());
    for (std::size_t b = 0; b < mean.buckets.size(); ++b) {
      mean.buckets[b].bytes = sync.launches()[b].bytes;
      mean.buckets[b].ready_s += sync.launches()[b].at_s / count;
    }
  }
  std::vector<double> slowest{mean.step_s, mean.backward_s, mean.sparse_bytes};
  for (const ComputeProfile::Bucket& bucket : mean.buckets) slowest.push_back(bucket.ready_s);
  comm.all_reduce(slowest.data(), slowest.size(), CommType::f64, CommOp::max);
  mean.step_s = slowest[0];
  mean.backward_s = slowest[1];
  mean.sparse_bytes = slowest[2];
  for (std::size_t b = 0; b < mean.buckets.size(); ++b) mean.buckets[b].ready_s = slowest[3 + b];
  return mean;
}

}  // namespace

std::vector<PhaseProfile> profile_phases(Trainer& trainer, Communicator& comm, int steps) {
  std::vector<PhaseProfile> profiles;
  std::set<int> kept;  // layers whose input some phase has kept so far
  for (std::size_t number = 0; number < trainer.plan().phases.size(); ++number) {
    trainer.jump_to_phase(number);
    kept.insert(trainer.cached_layers().begin(), trainer.cached_layers().end());
    PhaseProfile& profile = profiles.emplace_back();
    trainer.take(trainer.batches().step(0, trainer.batches().steps(0) - 1));  // memory is found, kernels are chosen
    profile.computed = profile_steps(trainer, comm, steps);
    profile.has_cache = kept.contains(trainer.kept_layer(number));
    if (profile.has_cache) profile.cached = profile_steps(trainer, comm, steps);
  }
  return profiles;
}

}  // namespace thaw
