#include "launcher/page/phase_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace thaw {
namespace {

// Steps of a phase at its longest, that begins after `start` steps; nothing where the log does not tell yet.
std::optional<std::int64_t> longest(const Until& until, const RunLog& log, std::optional<double> epoch, std::optional<std::int64_t> start) {
  if (until.steps) return until.steps;
  if (until.epochs && epoch) return std::max<std::int64_t>(std::llround(*until.epochs * *epoch), 1);
  if (until.end_epoch && epoch && start)
    return std::max<std::int64_t>(std::llround(static_cast<double>(*until.end_epoch) * *epoch) - *start, 1);
  if (until.rows && log.rows() > 0)
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(*until.rows) * static_cast<double>(log.steps().count()) / log.rows()));
  return std::nullopt;
}

// Steps an epoch: as the log counts them once one is over; before, by what the trainer reckons for the whole run.
std::optional<double> steps_of_epoch(const std::vector<PhaseRecipe>& phases, const RunLog& log) {
  if (log.steps_per_epoch()) return static_cast<double>(*log.steps_per_epoch());
  if (!log.total_steps()) return std::nullopt;
  double steps = static_cast<double>(*log.total_steps()), epochs = 0;
  for (const PhaseRecipe& phase : phases) {
    if (phase.until.steps) steps -= static_cast<double>(*phase.until.steps);
    else if (phase.until.epochs) epochs += *phase.until.epochs;
    else return std::nullopt;
  }
  return epochs > 0 && steps > 0 ? std::optional(steps / epochs) : std::nullopt;
}

Json as_seen(const PhaseSeen& phase) {
  return {{"start", phase.first - 1},
          {"end", phase.last},
          {"steps", phase.steps},
          {"rows", short_number(phase.rows)},
          {"train_s", short_number(phase.train_s)},
          {"comm_bytes", short_number(phase.comm_bytes)},
          {"highest_lr", short_number(phase.highest_lr)}};
}

std::vector<PhaseRecipe> phases_known(const Recipe* recipe, const RunLog& log) {
  if (recipe != nullptr) return phases_of(*recipe);
  return std::vector<PhaseRecipe>(log.phases().empty() ? 0 : static_cast<std::size_t>(log.phases().rbegin()->first));
}

}  // namespace

PhaseTimeline phase_timeline(const Recipe* recipe, const RunLog& log, const Json& result) {
  const std::vector<PhaseRecipe> phases = phases_known(recipe, log);
  const std::int64_t now = log.phases().empty() ? 1 : log.phases().rbegin()->first;
  const bool ended = result.is_object();
  PhaseTimeline line;
  line.exact = recipe != nullptr;
  const std::optional<double> epoch = steps_of_epoch(phases, log);
  std::optional<std::int64_t> start = 0;  // of the phase in hand, counted in steps of the run
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const auto number = static_cast<std::int64_t>(i) + 1;
    const PhaseRecipe& phase = phases[i];
    const auto seen = log.phases().find(number);
    const bool over = ended || number < now, learning = !over && number == now && seen != log.phases().end();
    Json entry = seen != log.phases().end() ? as_seen(seen->second) : Json{{"start", start ? Json(*start) : Json()}, {"steps", 0}};
    entry["number"] = number;
    entry["state"] = over ? "done" : learning ? "learning" : "to come";
    entry["trainable"] = phase.trainable;
    entry["until"] = in_words(phase.until);
    entry["lr"] = phase.lr ? Json(*phase.lr) : Json();
    const bool may_end_early = phase.until.patience > 0 || !phase.until.metrics.empty();
    entry["open_ended"] = may_end_early;
    if (seen != log.phases().end()) start = seen->second.first - 1;
    const auto planned = longest(phase.until, log, epoch, start);
    entry["planned_steps"] = planned ? Json(*planned) : Json();
    if (ended && result.contains("phases") && result["phases"].is_array() && i < result["phases"].size())
      for (const char* key : {"ended_by", "peak_memory_bytes", "cache_hits", "cache_misses", "metrics"})
        if (result["phases"][i].is_object() && result["phases"][i].contains(key)) entry[key] = result["phases"][i][key];
    if (over && seen != log.phases().end()) start = seen->second.last;
    else if (start && planned && !over) start = *start + *planned;
    else if (!over) start.reset();
    if (!over && may_end_early) line.exact = false;
    line.phases.push_back(std::move(entry));
  }
  if (ended && log.steps().count() > 0) line.total_steps = static_cast<std::int64_t>(log.steps().last().step);
  else if (log.total_steps()) line.total_steps = log.total_steps();
  else if (!phases.empty() && start && *start > 0) line.total_steps = start;
  line.exact = line.total_steps && (ended || line.exact);
  return line;
}

}  // namespace thaw
