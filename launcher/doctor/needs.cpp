#include "launcher/doctor/needs.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "framework/train/forecast.h"
#include "launcher/job.h"

namespace thaw::doctor {

Json needs_of(const std::string& recipe, const std::vector<std::string>& overrides, Ranks& ranks, const NetworkModel& network) {
  Job job = resolve_job(recipe, overrides, ranks);
  Telemetry telemetry(nullptr, true);
  load_job(job, ranks, [](const std::string&) {});
  Trainer trainer({job.recipe, ranks.comm, ranks.devices, *job.model, job.data, nullptr, telemetry, {}, ranks.placement.memory_bytes});
  const Forecast costs = forecast(trainer, job.recipe, *job.model, job.data, *ranks.comm, 0);
  double bytes = 0, learning = 0;
  for (const PhaseForecast& phase : costs.phases) {
    bytes = std::max(bytes, 4.0 * static_cast<double>(phase.learning));  // gradients are summed in fp32
    learning = std::max(learning, static_cast<double>(phase.learning_bytes));
  }
  const double weights = 4.0 * static_cast<double>(job.model->parameter_count());
  Json needs{{"network_bytes", bytes},
             {"memory_bytes", weights + learning},
             {"checkpoint_bytes", (weights + 2.0 / 3.0 * learning) * (1.0 + static_cast<double>(job.recipe.checkpoint.keep))},
             {"sums_s", Json()}};
  const auto node = ranks.comm->split_node();
  const Layout layout{ranks.comm->size(), node->size()};
  if (layout.nodes() < 2) return needs;
  const AllReduce used = all_reduce_of_open_mpi(std::getenv("OMPI_MCA_coll_libnbc_iallreduce_algorithm"));
  constexpr std::array offered{AllReduce::ring, AllReduce::rabenseifner, AllReduce::recursive_doubling, AllReduce::binomial};
  const auto seconds = [&](AllReduce algorithm) { return all_reduce_s(network, layout, algorithm, bytes); };
  const AllReduce best =
      *std::min_element(offered.begin(), offered.end(), [&](AllReduce a, AllReduce b) { return seconds(a) < seconds(b); });
  needs["all_reduce"] = std::string(name_of(used));
  needs["sums_s"] = seconds(used);
  needs["better"] = std::string(name_of(best));
  needs["better_sums_s"] = seconds(best);
  return needs;
}

}  // namespace thaw::doctor
