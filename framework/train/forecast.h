// What a plan will cost: counted where it can be counted, and measured where it has to be, by taking a few real steps of
// every phase on the ranks that are there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "framework/train/trainer.h"

namespace thaw {

struct PhaseForecast {
  std::int64_t steps = 0, rows = 0;  // at the most
  std::int64_t tokens = 0;           // by the mean length of rows
  std::int64_t learning = 0;         // parameters
  std::size_t buckets = 0;
  std::uint64_t network_bytes = 0;   // handed to collectives in a step, of a rank
  std::uint64_t learning_bytes = 0;  // gradients and moments
  std::uint64_t cache_bytes = 0;     // of a node, for what this phase reads
  double flops = 0;                  // of a step, all ranks: products alone, frozen layers' missing backward not counted
  // Measured; 0 without:
  double step_s = 0, cached_step_s = 0;  // of a mean step, computed and from the cache (0: no cache)
  double evaluation_s = 0;               // all its evaluations, computed
  std::uint64_t peak_memory_bytes = 0;   // of rank 0
  double time_s = 0, uncached_time_s = 0;
};

struct Forecast {
  std::vector<PhaseForecast> phases;
  double time_s = 0, uncached_time_s = 0;
  double fixed_order = 0;  // of a reproducible run: time of the last phase's step, by that of one summed in any order; 0: not measured
};

// `steps`: how many to take of each phase, twice where there is a cache; 0: nothing is measured. The model is changed by it.
// Collective.
Forecast forecast(Trainer& trainer, const Recipe& recipe, const Model& model, const RunData& data, Communicator& comm, int steps);

}  // namespace thaw
