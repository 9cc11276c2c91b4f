#include "launcher/plan_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "framework/comm/silent.h"
#include "framework/train/profile.h"
#include "launcher/job.h"

namespace thaw {
namespace {

struct ScaledPhase {
  std::string what;
  std::int64_t steps = 0, rows = 0;
  StepCost computed, cached;
  bool has_cache = false;
  double time_s = 0;
  const StepCost& usual() const { return has_cache ? cached : computed; }
};

struct Scaled {
  Layout layout;
  NetworkModel network;
  AllReduce algorithm = AllReduce::binomial;
  std::vector<ScaledPhase> phases;
  std::vector<std::pair<AllReduce, double>> others;  // what Open MPI offers besides, and the last phase's step by it
  double time_s = 0;
};

// Ranks of one node add through shared memory; NCCL's rings and trees cost what a ring does.
AllReduce algorithm_of(const ScaleOptions& options, Layout layout, bool on_gpus) {
  if (options.all_reduce != "auto") return all_reduce_named(options.all_reduce);
  if (on_gpus) return AllReduce::ring;
  return layout.nodes() == 1 ? AllReduce::two_level : all_reduce_of_open_mpi(std::getenv("OMPI_MCA_coll_libnbc_iallreduce_algorithm"));
}

// The batch of which each rank that is here gets as many grains as each of those that are not.
BatchRecipe share_of(const BatchRecipe& batch, int ranks, int here) {
  const std::int64_t grains = batch.size / batch.grain, of_rank = (grains + ranks - 1) / ranks;
  BatchRecipe share = batch;
  share.size = of_rank * batch.grain * here;
  return share;
}

std::vector<ScaledPhase> counted(const Job& job, Ranks& ranks, Telemetry& telemetry, std::int64_t& steps_of_epoch) {
  const Trainer trainer(
      {job.recipe, ranks.comm, ranks.devices, *job.model, job.data, nullptr, telemetry, {}, ranks.placement.memory_bytes});
  steps_of_epoch = trainer.batches().steps(0);
  std::vector<ScaledPhase> phases;
  for (const PlannedPhase& planned : trainer.plan().phases) {
    ScaledPhase& phase = phases.emplace_back();
    phase.what = planned.what();
    phase.steps = planned.steps;
    phase.rows = trainer.batches().step(0, 0).rows;
  }
  return phases;
}

Scaled scale(Job& job, Ranks& ranks, Telemetry& telemetry, const ScaleOptions& options) {
  Scaled scaled{{options.ranks, options.ranks_per_node}, network_of(options.network), {}, {}, {}, 0};
  scaled.algorithm = algorithm_of(options, scaled.layout, !ranks.device.is_cpu());
  std::int64_t steps_of_epoch = 0;
  scaled.phases = counted(job, ranks, telemetry, steps_of_epoch);
  Recipe here = job.recipe;
  here.batch = share_of(job.recipe.batch, options.ranks, ranks.comm->size());
  here.reproducible = false;  // a fixed order of sums is no network's business here
  Trainer trainer({here, ranks.comm, silent(ranks.devices), *job.model, job.data, nullptr, telemetry, {}, ranks.placement.memory_bytes});
  const std::vector<PhaseProfile> profiles = profile_phases(trainer, *ranks.comm, options.measure);
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    ScaledPhase& phase = scaled.phases[i];
    const auto cost = [&](const ComputeProfile& profile, AllReduce algorithm) {
      return step_cost(profile, scaled.network, scaled.layout, algorithm);
    };
    phase.computed = cost(profiles[i].computed, scaled.algorithm);
    phase.has_cache = profiles[i].has_cache;
    if (phase.has_cache) phase.cached = cost(profiles[i].cached, scaled.algorithm);
    const auto computed = static_cast<double>(phase.has_cache ? std::min(phase.steps, steps_of_epoch) : phase.steps);
    phase.time_s = computed * phase.computed.step_s + (static_cast<double>(phase.steps) - computed) * phase.cached.step_s;
    scaled.time_s += phase.time_s;
    if (i + 1 < profiles.size()) continue;
    for (const AllReduce other : {AllReduce::ring, AllReduce::rabenseifner, AllReduce::recursive_doubling, AllReduce::two_level})
      scaled.others.emplace_back(other, cost(profiles[i].computed, other).step_s);
  }
  return scaled;
}

Json cost_json(const StepCost& cost) {
  return {{"step_s", cost.step_s},
          {"compute_s", cost.compute_s},
          {"hidden_s", cost.hidden_s},
          {"open_s", cost.open_s},
          {"efficiency", cost.efficiency()}};
}

Json json_of(const Scaled& scaled, const Placement& placement) {
  Json out{{"ranks", scaled.layout.ranks},
           {"ranks_per_node", scaled.layout.ranks_per_node},
           {"measured_on", {{"ranks", placement.ranks}, {"threads", placement.threads}}},
           {"network", network_json(scaled.network)},
           {"all_reduce", std::string(name_of(scaled.algorithm))},
           {"time_s", scaled.time_s}};
  out["network"]["name"] = scaled.network.name;
  for (const ScaledPhase& phase : scaled.phases) {
    Json entry = cost_json(phase.computed);
    entry["steps"] = phase.steps;
    entry["time_s"] = phase.time_s;
    entry["cached"] = phase.has_cache ? cost_json(phase.cached) : Json();
    out["phases"].push_back(std::move(entry));
  }
  for (const auto& [algorithm, seconds] : scaled.others) out["last_step_s_by"][std::string(name_of(algorithm))] = seconds;
  return out;
}

void print(const Scaled& scaled, const Job& job, const Placement& placement) {
  fmt::print("{} on {} ranks, {} a node, over {} ({:.1f} µs, {:.2f} GB/s between nodes), all-reduce: {}\n\n", job.recipe.file.string(),
             scaled.layout.ranks, scaled.layout.ranks_per_node, scaled.network.name, scaled.network.between.alpha_s * 1e6,
             1e-9 / scaled.network.between.beta_s_per_byte, name_of(scaled.algorithm));
  fmt::print("{:<24}{:>8}{:>12}{:>10}{:>10}{:>10}{:>12}{:>10}{:>12}\n", "phase", "steps", "computing", "hidden", "open", "step",
             "efficiency", "rows/s", "time");
  for (std::size_t i = 0; i < scaled.phases.size(); ++i) {
    const ScaledPhase& phase = scaled.phases[i];
    const StepCost& cost = phase.usual();
    fmt::print("{:<24}{:>8}{:>9.1f} ms{:>7.1f} ms{:>7.1f} ms{:>7.1f} ms{:>10.0f} %{:>10.0f}{:>10.1f} s\n",
               fmt::format("{} {}", i + 1, phase.what), phase.steps, cost.compute_s * 1e3, cost.hidden_s * 1e3, cost.open_s * 1e3,
               cost.step_s * 1e3, cost.efficiency() * 100, static_cast<double>(phase.rows) / cost.step_s, phase.time_s);
  }
  fmt::print("\na step of the last phase by other all-reduces:");
  for (const auto& [algorithm, seconds] : scaled.others)
    fmt::print(" {} {:.1f} ms{}", name_of(algorithm), seconds * 1e3, algorithm == scaled.others.back().first ? "\n" : ",");
  fmt::print(
      "time       {:.1f} s of training, evaluations not counted; computing was measured here on {} rank{} of {} thread{}, {} grain{} each\n"
      "           not in it: ranks slower than others, and what else is on the network\n",
      scaled.time_s, placement.ranks, placement.ranks == 1 ? "" : "s", placement.threads, placement.threads == 1 ? "" : "s",
      (job.recipe.batch.size / job.recipe.batch.grain + scaled.layout.ranks - 1) / scaled.layout.ranks,
      job.recipe.batch.size / job.recipe.batch.grain <= scaled.layout.ranks ? "" : "s");
}

}  // namespace

int plan_at_scale(Ranks& ranks, const ScaleOptions& options) {
  if (options.network.empty()) throw UsageError("--ranks: expected a --network too: 10gbit, hdr200, …, or a file of thaw doctor --save");
  if (options.measure < 1) throw UsageError("--measure 0: a forecast for other ranks needs at least one step measured");
  const auto grain = [&](const Recipe& recipe) { return with_grain(recipe.batch, options.ranks, recipe.reproducible).grain; };
  Job job = resolve_job(options.recipe, options.overrides, ranks, grain);
  with_grain(job.recipe.batch, options.ranks);  // refuses fewer grains than ranks
  Telemetry telemetry(nullptr, !ranks.first() || options.json);
  load_job(job, ranks, [&](const std::string& line) { telemetry.say(printable(line)); });
  const Scaled scaled = scale(job, ranks, telemetry, options);
  if (!ranks.first()) return 0;
  if (options.json) fmt::print("{}\n", json_of(scaled, ranks.placement).dump());
  else print(scaled, job, ranks.placement);
  return 0;
}

}  // namespace thaw
