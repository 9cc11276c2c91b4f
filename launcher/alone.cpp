#include "launcher/alone.h"

#include <ATen/Parallel.h>

#include "framework/base/machine.h"

namespace thaw {

void compute_alone(std::int64_t threads) {
  const Machine machine = this_machine();
  at::set_num_threads(threads > 0 ? static_cast<int>(threads) : threads_for_rank(machine, {machine.affinity}));
}

}  // namespace thaw
