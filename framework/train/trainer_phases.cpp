// A trainer's phases: who learns, what is made anew at a change, and what is kept.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "framework/base/machine.h"
#include "framework/models/registry.h"
#include "framework/train/trainer.h"

namespace thaw {
namespace {

std::int64_t warmup_of(const Duration& warmup, std::int64_t total, const Position& from, const Batches& batches) {
  switch (warmup.unit) {
    case Duration::Unit::ratio: return static_cast<std::int64_t>(std::ceil(warmup.value * static_cast<double>(total)));
    case Duration::Unit::steps: return static_cast<std::int64_t>(warmup.value);
    case Duration::Unit::epochs: break;
  }
  return warmup.value > 0 ? batches.steps_of_epochs(from, warmup.value) : 0;
}

}  // namespace

// Everything that depends on who learns is made anew; moments are kept by name.
void Trainer::enter_phase(Kept kept) {
  const PlannedPhase& phase = planned();
  reset_peak_memory();
  phase_.start = cursor_.at;
  phase_.limit = batches_.steps_until(cursor_.at, phase.recipe.until);
  parts_.model.set_learning(phase.learning);
  cached_layers_ = layers_to_cache(kept);
  cache_notes_ = cache_.keep(parts_.model, cached_layers_);

  // Top layer first: the order in which backward finishes them, and so the order of the buckets.
  std::vector<std::size_t> learning;
  const auto parameter = [&](std::size_t i) -> Parameter& { return parts_.model.parameters[i]; };
  for (std::size_t i = 0; i < phase.learning.size(); ++i)
    if (phase.learning[i]) learning.push_back(i);
  std::stable_sort(learning.begin(), learning.end(), [&](std::size_t a, std::size_t b) { return parameter(a).group > parameter(b).group; });
  std::vector<SyncedParameter> synced;
  for (const std::size_t i : learning) synced.push_back({parameter(i).name, parameter(i).working, parameter(i).sparse_gradient()});
  sync_.reset();  // its hooks leave the parameters before the new ones come
  sync_ = std::make_unique<GradientSync>(parts_.comm, parts_.devices, std::move(synced));

  std::vector<OptimizedParameter> optimized;
  for (std::size_t k = 0; k < learning.size(); ++k) {
    const Parameter& p = parameter(learning[k]);
    const ParameterRate& rate = phase.rates[learning[k]];
    const bool copied = p.working.scalar_type() != at::kFloat;
    optimized.push_back({p.name, p.value, sync_->gradient(k), copied ? p.working.detach() : at::Tensor(), rate.lr, rate.decays});
    if (p.sparse_gradient()) optimized.back().touched = [this, k] { return sync_->touched(k); };
  }
  optimizer_ =
      std::make_unique<AdamW>(parts_.recipe.optimizer, std::move(optimized), parts_.recipe.optimizer.sharded ? parts_.devices : nullptr);
  if (!phase.recipe.fresh_moments) optimizer_->adopt(kept_);
  for (const std::size_t i : learning) {
    for (const char* moment : {"m/", "v/"}) kept_.erase(moment + parameter(i).name);
    if (kept_.values.contains("steps")) kept_.values["steps"].erase(parameter(i).name);
  }
  by_name_.resize(learning.size());
  std::iota(by_name_.begin(), by_name_.end(), 0);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](std::size_t a, std::size_t b) { return parameter(learning[a]).name < parameter(learning[b]).name; });

  // The run's schedule is laid over all phases at their longest; a phase that ends early skips what it leaves of it.
  const bool own = phase.recipe.restart;
  const ScheduleRecipe& schedule = phase.recipe.schedule ? *phase.recipe.schedule : parts_.recipe.schedule;
  const std::int64_t total = own ? phase_.limit : plan_.steps();
  schedule_.emplace(schedule, total, warmup_of(schedule.warmup, total, own ? phase_.start : Position(), batches_));
  schedule_start_ = 0;
  for (std::size_t i = 0; !own && i < phase_.number; ++i) schedule_start_ += plan_.phases[i].steps;
  // One that ends at an epoch of the run makes up for what those before it left: then the schedule is at the steps done.
  if (!own && phase.recipe.until.end_epoch)
    schedule_start_ = batches_.steps_of_epochs({}, static_cast<double>(phase_.start.epoch)) + phase_.start.step;
}

// Frontiers of this phase and later ones that stay as they are until then, the one needed now first.
std::vector<int> Trainer::layers_to_cache(Kept kept) const {
  using Mode = CacheRecipe::Mode;
  const Mode mode = parts_.recipe.cache.activations;
  std::vector<int> layers;
  if (mode == Mode::off) return layers;
  int lowest = planned().frontier;
  for (std::size_t i = phase_.number; i < plan_.phases.size(); ++i) {
    const PlannedPhase& phase = plan_.phases[i];
    if (phase.frontier > lowest || changes_rows(i)) break;  // what it reads changes until then
    lowest = phase.frontier;
    const int layer = kept_layer(i);
    // Only a text's embeddings below cost less than reading what they give. A phase of one epoch alone sees each row once.
    const bool now = i == phase_.number;
    const std::int64_t epoch = batches_.steps(static_cast<std::uint64_t>(phase_.start.epoch));
    const bool again = !now || kept == Kept::filled || phase_.limit > epoch;
    if (layer == 0 || (mode == Mode::automatic && layer == 1 && !parts_.model.hears)) break;
    if ((now && kept == Kept::no) || (!layers.empty() && layers.back() == layer)) continue;
    // Leaving activations for later phases on the way is free only where rows need not be computed one by one for it.
    if (!now && layers.empty() && mode == Mode::automatic && cache_.fills_row_by_row(parts_.model)) break;
    const bool same_later = i + 1 < plan_.phases.size() && kept_layer(i + 1) == layer && !changes_rows(i + 1);
    if (again || same_later || mode == Mode::on) layers.push_back(layer);
  }
  return layers;
}

void Trainer::change_weights() {
  const at::NoGradGuard no_grad;
  if (planned().recipe.restore_best)
    for (Parameter& p : parts_.model.parameters) {
      const auto best = best_weights_.find(p.name);
      if (best == best_weights_.end() || best->second.is_alias_of(p.value) || at::equal(best->second, p.value)) continue;
      cache_.forget_above(p.uses.front());
      p.set(best->second);
    }
  cache_.forget_above(parts_.model.head() - static_cast<int>(planned().recipe.reinitialise_top));
  if (planned().recipe.reinitialise_top == 0) return;
  reinitialise(parts_.model, planned().recipe.reinitialise_top, parts_.recipe.seeds.init);
  for (const Parameter& p : parts_.model.parameters)
    if (p.group >= parts_.model.head() - planned().recipe.reinitialise_top)
      for (const char* moment : {"m/", "v/"}) kept_.erase(moment + p.name);
}

std::string Trainer::end_of_phase() const {
  const Until& until = planned().recipe.until;
  if (phase_.evaluations > 0) {
    for (const auto& [metric, enough] : until.metrics)
      for (const auto& [name, value] : outcome_.last)
        if (name == metric && (value == enough || is_better(value, enough, metric))) return metric;
    if (until.patience > 0 && phase_.evaluations_without_gain >= until.patience) return "patience";
  }
  if (phase_.steps < phase_.limit) return "";
  if (until.steps && phase_.steps >= *until.steps) return "steps";
  return until.rows && phase_.rows >= *until.rows ? "rows" : "epochs";
}

void Trainer::end_phase(const std::string& by) {
  Json ended{{"trainable", planned().recipe.trainable},
             {"ended_by", by},
             {"steps", phase_.steps},
             {"rows", phase_.rows},
             {"train_s", phase_.train_s},
             {"rows_per_s", phase_.train_s > 0 ? static_cast<double>(phase_.rows) / phase_.train_s : 0},
             {"comm_bytes", phase_.comm_bytes},
             {"peak_memory_bytes", peak_memory()},
             {"cache_hits", cache_.hits},
             {"cache_misses", cache_.misses},
             {"cache_received", cache_.received}};
  const bool audio = parts_.data.inputs->hears();
  ended[size_name(audio)] = size_value(phase_.tokens, audio);
  cache_.hits = cache_.misses = cache_.received = 0;
  for (const auto& [name, value] : outcome_.last) ended["metrics"][name] = value;
  outcome_.phases.push_back(std::move(ended));
  cache_.forget_above(planned().frontier);
  kept_ = moments_of_sleepers();
  Phase next;
  next.number = phase_.number + 1;
  phase_ = next;
  if (done()) return;
  change_weights();
  enter_phase(cache_.keeps(kept_layer(phase_.number)) ? Kept::filled : Kept::undecided);
  say_phase();
}

// Moments of all that learned so far and learns again in a later phase, whether it learns now or not.
State Trainer::moments_of_sleepers() const {
  State all = optimizer_->state();
  for (const auto& [name, tensor] : kept_.tensors) all.tensors.emplace(name, tensor);
  all.pieces.insert(kept_.pieces.begin(), kept_.pieces.end());
  if (kept_.values.contains("steps"))
    for (const auto& [name, steps] : kept_.values["steps"].items())
      if (!all.values["steps"].contains(name)) all.values["steps"][name] = steps;
  State kept;
  kept.values["steps"] = Json::object();
  for (std::size_t i = 0; i < parts_.model.parameters.size(); ++i) {
    const std::string& name = parts_.model.parameters[i].name;
    bool again = false;
    for (std::size_t phase = phase_.number + 1; phase < plan_.phases.size(); ++phase) again = again || plan_.phases[phase].learning[i];
    if (!again || !all.tensors.contains("m/" + name)) continue;
    for (const char* moment : {"m/", "v/"}) {
      kept.tensors[moment + name] = all.tensors[moment + name];
      if (const auto piece = all.pieces.find(moment + name); piece != all.pieces.end()) kept.pieces.insert(*piece);
    }
    kept.values["steps"][name] = all.values["steps"][name];
  }
  return kept;
}

void Trainer::say_phase() {
  for (const std::string& note : cache_notes_) parts_.telemetry.say(note);
  if (changes_rows(phase_.number) && parts_.recipe.cache.activations != CacheRecipe::Mode::off && kept_layer(phase_.number) > 0)
    parts_.telemetry.say(
        "cache      none: augmentation gives every row another sound each time; `augment: false` in the phase keeps activations");
  if (plan_.phases.size() == 1) return;
  std::int64_t learning = 0;
  for (std::size_t i = 0; i < planned().learning.size(); ++i)
    if (planned().learning[i]) learning += parts_.model.parameters[i].value.numel();
  parts_.telemetry.say(fmt::format("phase      {} of {}: {} ({:.1f} M of {:.1f} M parameters, down to {}), {}{} steps, lr {:.2e}",
                                   phase_.number + 1, plan_.phases.size(), planned().what(), static_cast<double>(learning) / 1e6,
                                   static_cast<double>(parts_.model.parameter_count()) / 1e6,
                                   parts_.model.layers[static_cast<std::size_t>(planned().frontier)].name,
                                   planned().open_ended ? "at most " : "", phase_.limit, planned().highest_lr()));
}

std::int64_t Trainer::total_steps() const {
  std::int64_t steps = cursor_.step + (done() ? 0 : phase_.limit - phase_.steps);
  for (std::size_t i = phase_.number + 1; i < plan_.phases.size(); ++i) steps += plan_.phases[i].steps;
  return steps;
}

void Trainer::keep_best() {
  if (!restores_) return;
  for (const Parameter& p : parts_.model.parameters) best_weights_[p.name] = p.kept(p.value);
}

}  // namespace thaw
