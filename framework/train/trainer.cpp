#include "framework/train/trainer.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "framework/base/error.h"
#include "framework/base/machine.h"
#include "framework/base/random.h"
#include "framework/models/registry.h"
#include "framework/train/checkpoint.h"

namespace thaw {

std::atomic<int> stop_signal{0};

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Batches batches_of(const Recipe& recipe, const RunData& data) {
  std::vector<Order::Source> sources;
  std::vector<std::vector<std::uint32_t>> lengths;
  for (std::size_t i = 0; i < data.train.size(); ++i) {
    sources.push_back({data.train[i].shards->rows(), recipe.data.train[i].weight});
    lengths.push_back(data.train[i].shards->lengths());
  }
  return {Order(recipe.seeds.order, std::move(sources)), std::move(lengths), recipe.batch};
}

// The training sources, then the evaluation sets: the order in which `Trainer::forward` numbers them.
std::vector<std::vector<std::uint32_t>> lengths_of(const RunData& data) {
  std::vector<std::vector<std::uint32_t>> lengths;
  for (const auto* const sets : {&data.train, &data.eval})
    for (const DataSet& set : *sets) lengths.push_back(set.shards->lengths());
  return lengths;
}

std::int64_t warmup_of(const Duration& warmup, std::int64_t total, const Position& from, const Batches& batches) {
  switch (warmup.unit) {
    case Duration::Unit::ratio: return static_cast<std::int64_t>(std::ceil(warmup.value * static_cast<double>(total)));
    case Duration::Unit::steps: return static_cast<std::int64_t>(warmup.value);
    case Duration::Unit::epochs: break;
  }
  return warmup.value > 0 ? batches.steps_of_epochs(from, warmup.value) : 0;
}

ThawPlan plan_of(const Recipe& recipe, const Model& model, const Batches& batches) {
  ThawRecipe thaw = recipe.thaw;
  thaw.phases = phases_of(recipe);
  const DataLength data{[&](const Position& from, const Until& until) { return batches.steps_until(from, until); },
                        [&](const Position& from, std::int64_t steps) { return batches.after(from, steps); }};
  return compile_plan(thaw, model, recipe.optimizer.lr, data, recipe.file.string());
}

void check_metric(const std::string& metric, const std::string& where, const std::vector<std::string>& names) {
  if (!metric.empty() && std::find(names.begin(), names.end(), metric) == names.end())
    throw RecipeError("{}: there is no metric '{}'; there are: {}", where, metric, fmt::join(names, ", "));
}

// The grains of a step that a rank runs: from, to.
std::pair<std::size_t, std::size_t> share_of_grains(const Step& step, const Communicator& comm) {
  const std::size_t grains = step.grains.size(), rank = static_cast<std::size_t>(comm.rank()),
                    ranks = static_cast<std::size_t>(comm.size());
  return {grains * rank / ranks, grains * (rank + 1) / ranks};
}

bool better_than(double value, double best, const std::string& metric) { return larger_is_better(metric) ? value > best : value < best; }

// torch's and scikit-learn's "balanced": rows / (classes · rows of the class).
std::vector<float> class_weights(const Recipe& recipe, const RunData& data) {
  if (!recipe.loss.balanced && recipe.loss.class_weights.empty()) return {};
  std::vector<double> weights(data.labels.size(), 1.0);
  for (const auto& [label, weight] : recipe.loss.class_weights) {
    const auto found = std::find(data.labels.begin(), data.labels.end(), label);
    if (found == data.labels.end())
      throw RecipeError("loss.class_weights: there is no label '{}'; the labels are: {}", label, fmt::join(data.labels, ", "));
    weights[static_cast<std::size_t>(found - data.labels.begin())] = weight;
  }
  if (recipe.loss.balanced) {
    std::vector<double> counts(data.labels.size(), 0);
    double rows = 0;
    for (const DataSet& set : data.train)
      for (const std::int32_t label : set.shards->labels()) {
        counts[static_cast<std::size_t>(set.label_ids[static_cast<std::size_t>(label)])] += 1;
        rows += 1;
      }
    for (std::size_t i = 0; i < counts.size(); ++i)
      weights[i] = counts[i] > 0 ? rows / (static_cast<double>(counts.size()) * counts[i]) : 0;
  }
  return {weights.begin(), weights.end()};
}

}  // namespace

Trainer::Trainer(Parts parts)
    : parts_(std::move(parts)),
      loss_{parts_.data.problem, class_weights(parts_.recipe, parts_.data), parts_.recipe.loss.label_smoothing},
      batches_(batches_of(parts_.recipe, parts_.data)),
      plan_(plan_of(parts_.recipe, parts_.model, batches_)),
      cache_(parts_.recipe.cache, *parts_.comm, parts_.memory_bytes, lengths_of(parts_.data)) {
  const std::vector<std::string> names = metric_names(parts_.data);
  outcome_.metric = parts_.recipe.evaluate.metric;
  check_metric(outcome_.metric, "evaluate.metric", names);
  for (const PlannedPhase& phase : plan_.phases) {
    restores_ = restores_ || phase.recipe.restore_best;
    for (const auto& [metric, unused] : phase.recipe.until.metrics) check_metric(metric, "thaw.phases: until", names);
  }
  change_weights();
  enter_phase(false);
}

// Everything that depends on who learns is made anew; moments are kept by name.
void Trainer::enter_phase(bool filled) {
  const PlannedPhase& phase = planned();
  reset_peak_memory();
  phase_.start = cursor_.at;
  phase_.limit = batches_.steps_until(cursor_.at, phase.recipe.until);
  parts_.model.set_learning(phase.learning);
  cached_layers_ = layers_to_cache(filled);
  cache_notes_ = cache_.keep(parts_.model, cached_layers_);

  // Top layer first: the order in which backward finishes them, and so the order of the buckets.
  std::vector<std::size_t> learning;
  const auto parameter = [&](std::size_t i) -> Parameter& { return parts_.model.parameters[i]; };
  for (std::size_t i = 0; i < phase.learning.size(); ++i)
    if (phase.learning[i]) learning.push_back(i);
  std::stable_sort(learning.begin(), learning.end(), [&](std::size_t a, std::size_t b) { return parameter(a).group > parameter(b).group; });
  std::vector<SyncedParameter> synced;
  for (const std::size_t i : learning) synced.push_back({parameter(i).name, parameter(i).working, parameter(i).role == Role::embedding});
  sync_.reset();  // its hooks leave the parameters before the new ones come
  sync_ = std::make_unique<GradientSync>(parts_.comm, parts_.devices, std::move(synced));

  std::vector<OptimizedParameter> optimized;
  for (std::size_t k = 0; k < learning.size(); ++k) {
    const Parameter& p = parameter(learning[k]);
    const ParameterRate& rate = phase.rates[learning[k]];
    const bool copied = p.working.scalar_type() != at::kFloat;
    optimized.push_back({p.name, p.value, sync_->gradient(k), copied ? p.working.detach() : at::Tensor(), rate.lr, rate.decays});
    if (p.role == Role::embedding) optimized.back().touched = [this, k] { return sync_->touched(k); };
  }
  optimizer_ = std::make_unique<AdamW>(parts_.recipe.optimizer, std::move(optimized));
  if (!phase.recipe.fresh_moments) optimizer_->adopt(kept_);
  for (const std::size_t i : learning) {
    for (const char* moment : {"m/", "v/"}) kept_.tensors.erase(moment + parameter(i).name);
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
std::vector<int> Trainer::layers_to_cache(bool filled) const {
  using Mode = CacheRecipe::Mode;
  const Mode mode = parts_.recipe.cache.activations;
  std::vector<int> layers;
  if (mode == Mode::off) return layers;
  int lowest = planned().frontier;
  for (std::size_t i = phase_.number; i < plan_.phases.size(); ++i) {
    const PlannedPhase& phase = plan_.phases[i];
    if (phase.frontier > lowest) break;  // what it reads changes until then
    lowest = phase.frontier;
    // Only the embeddings below cost less than reading what they give. A phase of one epoch alone sees each row once.
    const bool now = i == phase_.number;
    const std::int64_t epoch = batches_.steps(static_cast<std::uint64_t>(phase_.start.epoch));
    const bool again = !now || filled || phase_.limit > epoch;
    if (phase.frontier == 0 || (mode == Mode::automatic && phase.frontier == 1)) break;
    if (!layers.empty() && layers.back() == phase.frontier) continue;
    const bool same_later = i + 1 < plan_.phases.size() && plan_.phases[i + 1].frontier == phase.frontier;
    if (again || same_later || mode == Mode::on) layers.push_back(phase.frontier);
  }
  return layers;
}

void Trainer::change_weights() {
  const at::NoGradGuard no_grad;
  if (planned().recipe.restore_best)
    for (Parameter& p : parts_.model.parameters) {
      const auto best = best_weights_.find(p.name);
      if (best == best_weights_.end() || at::equal(best->second, p.value)) continue;
      cache_.forget_above(p.uses.front());
      p.set(best->second);
    }
  cache_.forget_above(parts_.model.blocks() + 1 - static_cast<int>(planned().recipe.reinitialise_top));
  if (planned().recipe.reinitialise_top == 0) return;
  reinitialise(parts_.model, planned().recipe.reinitialise_top, parts_.recipe.seeds.init);
  for (const Parameter& p : parts_.model.parameters)
    if (p.group > parts_.model.blocks() - planned().recipe.reinitialise_top)
      for (const char* moment : {"m/", "v/"}) kept_.tensors.erase(moment + p.name);
}

std::string Trainer::end_of_phase() const {
  const Until& until = planned().recipe.until;
  if (phase_.evaluations > 0) {
    for (const auto& [metric, enough] : until.metrics)
      for (const auto& [name, value] : outcome_.last)
        if (name == metric && (value == enough || better_than(value, enough, metric))) return metric;
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
             {"tokens", phase_.tokens},
             {"train_s", phase_.train_s},
             {"rows_per_s", phase_.train_s > 0 ? static_cast<double>(phase_.rows) / phase_.train_s : 0},
             {"comm_bytes", phase_.comm_bytes},
             {"peak_memory_bytes", peak_memory()},
             {"cache_hits", cache_.hits},
             {"cache_misses", cache_.misses}};
  cache_.hits = cache_.misses = 0;
  for (const auto& [name, value] : outcome_.last) ended["metrics"][name] = value;
  outcome_.phases.push_back(std::move(ended));
  cache_.forget_above(planned().frontier);
  kept_ = moments_of_sleepers();
  Phase next;
  next.number = phase_.number + 1;
  phase_ = next;
  if (done()) return;
  change_weights();
  enter_phase(cache_.keeps(planned().frontier));
  say_phase();
}

// Moments of all that learned so far and learns again in a later phase, whether it learns now or not.
State Trainer::moments_of_sleepers() const {
  State all = optimizer_->state();
  for (const auto& [name, tensor] : kept_.tensors) all.tensors.emplace(name, tensor);
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
    for (const char* moment : {"m/", "v/"}) kept.tensors[moment + name] = all.tensors[moment + name];
    kept.values["steps"][name] = all.values["steps"][name];
  }
  return kept;
}

void Trainer::say_phase() {
  if (plan_.phases.size() == 1) return;
  for (const std::string& note : cache_notes_) parts_.telemetry.say(note);
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

Outcome Trainer::run() {
  const auto start = Clock::now();
  auto last_save = start;
  if (!done()) say_phase();
  while (!done()) {
    const Step step = batches_.step(static_cast<std::uint64_t>(cursor_.at.epoch), cursor_.at.step);
    StepReport report = take(step);
    advance(step, report);
    parts_.telemetry.step(report);

    const std::int64_t every = parts_.recipe.evaluate.every_steps;
    const bool evaluation_due = every > 0 ? cursor_.step % every == 0 : epoch_ended_;
    if (!parts_.data.eval.empty() && (evaluation_due || phase_.steps == phase_.limit)) evaluate();
    const bool enough = parts_.recipe.evaluate.patience > 0 && evaluations_without_gain_ >= parts_.recipe.evaluate.patience;
    const std::string ended_by = end_of_phase();
    if (!ended_by.empty()) end_phase(ended_by);

    // What one rank knows (its clock, its signals) is agreed on, so that all take the same branch.
    const double save_after = parts_.recipe.checkpoint.every_minutes * 60;
    double wishes[3] = {static_cast<double>(stop_signal.load()),
                        parts_.recipe.max_time_s && seconds_since(start) > *parts_.recipe.max_time_s ? 1.0 : 0.0,
                        save_after > 0 && seconds_since(last_save) > save_after ? 1.0 : 0.0};
    parts_.comm->all_reduce(wishes, 3, CommType::f64, CommOp::max);
    const bool stop = wishes[0] > 0 || wishes[1] > 0;
    const bool save_due =
        parts_.recipe.checkpoint.every_steps > 0 ? cursor_.step % parts_.recipe.checkpoint.every_steps == 0 : epoch_ended_;
    if (!ended_by.empty() || enough || stop || save_due || wishes[2] > 0) {
      save();
      last_save = Clock::now();
    }
    if (enough && !done()) {
      outcome_.stopped_by = "early stopping";
      break;
    }
    if (stop && !done()) {
      outcome_.stopped_by = wishes[0] > 0 ? fmt::format("signal {}", static_cast<int>(wishes[0])) : "max_time";
      break;
    }
  }
  parts_.telemetry.end_bar();
  outcome_.finished = done() || outcome_.stopped_by == "early stopping";
  outcome_.steps = cursor_.step;
  outcome_.wall_s = seconds_since(start);
  return outcome_;
}

// This rank's grains, forward and backward. The divisor is the whole step's, so that gradients and losses add up.
double Trainer::accumulate(const Step& step) {
  double divisor = 0;
  for (const auto& grain : step.grains)
    for (const Order::Pick pick : grain) divisor += share_of(parts_.data.train[pick.source], pick.row, loss_);
  if (divisor <= 0) divisor = 1;  // every row weighs nothing: the step teaches nothing

  const auto [begin, end] = share_of_grains(step, *parts_.comm);
  int passes = 0;
  for (std::size_t g = begin; g < end; ++g) passes += step.grains[g].empty() ? 0 : 1;
  sync_->begin(passes);
  double loss = 0;
  for (std::size_t g = begin; g < end; ++g) {
    if (step.grains[g].empty()) continue;
    const std::vector<RowOfSet> rows = rows_of(step.grains[g]);
    PackedBatch batch = collate(rows, parts_.data.outputs());
    batch.to(parts_.model.device());
    Context context{batch.input_ids, batch.token_types, batch.positions};
    context.training = true;
    context.random_key = random_key(parts_.recipe.seeds.dropout, cursor_.step);
    context.first_token = step.first_token[g];
    context.first_row = step.first_row[g];
    const at::Tensor sum = loss_.sum(forward(rows, batch, context), batch.targets) / divisor;
    sum.backward();
    loss += sum.item<double>();
  }
  sync_->finish();
  parts_.comm->all_reduce(&loss, 1, CommType::f64);
  return loss;
}

std::vector<RowOfSet> Trainer::rows_of(const std::vector<Order::Pick>& grain) const {
  std::vector<RowOfSet> rows;
  for (const Order::Pick pick : grain) rows.push_back({&parts_.data.train[pick.source], pick.row});
  return rows;
}

StepReport Trainer::take(const Step& step) {
  const auto start = Clock::now();
  StepReport report;
  report.loss = accumulate(step);
  report.gradient_norm = gradient_norm();
  if (!std::isfinite(report.gradient_norm) || !std::isfinite(report.loss))
    throw DataError("step {}: the loss is {} and the gradient's norm {}: lower optimizer.lr, or look at the rows of this step",
                    cursor_.step + 1, report.loss, report.gradient_norm);
  const double now = factor(phase_.steps);
  report.lr = planned().highest_lr() * now;
  update(report.gradient_norm, now);
  report.comm_bytes = sync_->bytes_per_step();
  report.comm_wait_s = sync_->wait_s();
  report.step_s = seconds_since(start);
  return report;
}

double Trainer::probe(double lr) {
  const double loss = accumulate(batches_.step(static_cast<std::uint64_t>(cursor_.at.epoch), cursor_.at.step));
  const double norm = gradient_norm();
  ++cursor_.step;
  cursor_.at = batches_.after(cursor_.at, 1);
  if (!std::isfinite(loss) || !std::isfinite(norm)) return NAN;
  update(norm, lr / planned().highest_lr());
  return loss;
}

void Trainer::evaluate_rows(const Step& step) {
  const at::NoGradGuard no_grad;
  const auto [begin, end] = share_of_grains(step, *parts_.comm);
  for (std::size_t g = begin; g < end; ++g) {
    if (step.grains[g].empty()) continue;
    PackedBatch batch = collate(rows_of(step.grains[g]), parts_.data.outputs());
    batch.to(parts_.model.device());
    parts_.model.forward(batch.cu_seqlens, {batch.input_ids, batch.token_types, batch.positions});
  }
}

void Trainer::jump_to_phase(std::size_t number) {
  Position start;
  for (std::size_t i = 0; i < number; ++i) start = batches_.after(start, plan_.phases[i].steps);
  phase_ = {};
  phase_.number = number;
  cursor_.at = start;
  const bool filled = cache_.keeps(planned().frontier);
  cache_.forget_above(0);
  enter_phase(filled);
}

at::Tensor Trainer::forward(const std::vector<RowOfSet>& rows, const PackedBatch& batch, const Context& context) {
  std::vector<CacheRow> keys;
  for (const RowOfSet& row : rows) {
    std::size_t number = 0;
    for (const auto* const sets : {&parts_.data.train, &parts_.data.eval})
      for (const DataSet& set : *sets) {
        if (&set == row.set) keys.push_back({number, row.row});
        ++number;
      }
  }
  return cache_.forward(parts_.model, keys, batch.cu_seqlens, context, [&](const std::vector<std::size_t>& missing) {
    std::vector<RowOfSet> some;
    for (const std::size_t i : missing) some.push_back(rows[i]);
    PackedBatch inputs = collate(some, parts_.data.outputs());
    inputs.to(parts_.model.device());
    return ActivationCache::Inputs{inputs.cu_seqlens, {inputs.input_ids, inputs.token_types, inputs.positions}};
  });
}

double Trainer::gradient_norm() const {
  std::vector<at::Tensor> gradients;
  for (const std::size_t i : by_name_) {
    const at::Tensor& touched = sync_->touched(i);
    gradients.push_back(touched.defined() ? sync_->gradient(i).index_select(0, touched) : sync_->gradient(i));
  }
  return global_norm(gradients);
}

void Trainer::update(double gradient_norm, double factor) {
  // torch's clip_grad_norm_: max_norm / (norm + 1e-6), never above 1
  const double clip = parts_.recipe.optimizer.clip_norm;
  optimizer_->step(factor, clip > 0 ? std::min(1.0, clip / (gradient_norm + 1e-6)) : 1.0);
}

// Counts the step, and fills in the report.
void Trainer::advance(const Step& step, StepReport& report) {
  report.epoch = cursor_.at.epoch;
  report.phase = static_cast<std::int64_t>(phase_.number) + 1;
  report.rows = step.rows;
  report.tokens = step.tokens;
  for (auto* const spent : {&outcome_.train_s, &phase_.train_s}) *spent += report.step_s;
  for (auto* const rows : {&outcome_.rows, &phase_.rows}) *rows += step.rows;
  for (auto* const tokens : {&outcome_.tokens, &phase_.tokens}) *tokens += step.tokens;
  phase_.comm_bytes += report.comm_bytes;
  ++phase_.steps;
  ++cursor_.step;
  cursor_.at = batches_.after(cursor_.at, 1);
  epoch_ended_ = cursor_.at.step == 0;
  report.step = cursor_.step;
  report.total_steps = total_steps();
}

void Trainer::evaluate() {
  const auto start = Clock::now();
  outcome_.last.clear();
  for (const DataSet& set : parts_.data.eval) {
    const at::Tensor outputs = predict(
        parts_.model, set, parts_.data.outputs(), *parts_.comm, 4096,
        [&](std::int64_t done) {
          parts_.telemetry.progress("evaluating " + set.name, done, static_cast<std::int64_t>(set.shards->rows()));
        },
        [&](const auto& rows, const auto& batch, const auto& context) { return forward(rows, batch, context); });
    for (const auto& [name, value] : metrics_of(outputs, set, parts_.data, loss_)) outcome_.last.emplace_back(set.name + "/" + name, value);
  }
  const auto chosen =
      std::find_if(outcome_.last.begin(), outcome_.last.end(), [&](const auto& entry) { return entry.first == outcome_.metric; });
  const bool better = outcome_.best_step == 0 || better_than(chosen->second, outcome_.best, outcome_.metric);
  evaluations_without_gain_ = better ? 0 : evaluations_without_gain_ + 1;
  const bool better_in_phase = phase_.evaluations++ == 0 || better_than(chosen->second, phase_.best, outcome_.metric);
  phase_.evaluations_without_gain = better_in_phase ? 0 : phase_.evaluations_without_gain + 1;
  if (better_in_phase) phase_.best = chosen->second;
  if (better) {
    outcome_.best = chosen->second;
    outcome_.best_step = cursor_.step;
    keep_best();
    if (parts_.run != nullptr) parts_.export_best();
  }
  parts_.telemetry.evaluation(cursor_.step, cursor_.at.epoch, outcome_.last, seconds_since(start), better);
}

void Trainer::save() {
  if (parts_.run != nullptr) {
    parts_.run->check();
    outcome_.last_checkpoint = cursor_.step;
    save_checkpoint(parts_.run->path(), cursor_.step, state(), parts_.recipe.checkpoint.keep);
    parts_.run->write_status({{"state", "running"}, {"step", cursor_.step}, {"last_checkpoint", checkpoint_name(cursor_.step)}});
  }
  parts_.comm->barrier();  // nobody leaves before the last flush
}

void Trainer::keep_best() {
  if (!restores_) return;
  for (const Parameter& p : parts_.model.parameters) best_weights_[p.name] = p.value.clone();
}

State Trainer::state() const {
  State state;
  if (!done()) merge(state, "optimizer", optimizer_->state());
  merge(state, "kept", kept_);
  for (const Parameter& parameter : parts_.model.parameters) state.tensors["model/" + parameter.name] = parameter.value;
  for (const auto& [name, value] : best_weights_) state.tensors["best/" + name] = value;
  state.values["cursor"] = {{"step", cursor_.step}, {"epoch", cursor_.at.epoch}, {"step_in_epoch", cursor_.at.step}};
  state.values["best"] = {{"metric", outcome_.metric},
                          {"value", outcome_.best},
                          {"step", outcome_.best_step},
                          {"evaluations_without_gain", evaluations_without_gain_}};
  state.values["spent"] = {{"train_s", outcome_.train_s}, {"rows", outcome_.rows}, {"tokens", outcome_.tokens}};
  state.values["phase"] = {{"number", phase_.number},
                           {"start_epoch", phase_.start.epoch},
                           {"start_step", phase_.start.step},
                           {"steps", phase_.steps},
                           {"rows", phase_.rows},
                           {"tokens", phase_.tokens},
                           {"train_s", phase_.train_s},
                           {"comm_bytes", phase_.comm_bytes},
                           {"best", phase_.best},
                           {"evaluations", phase_.evaluations},
                           {"evaluations_without_gain", phase_.evaluations_without_gain}};
  state.values["ended_phases"] = outcome_.phases;
  state.values["last_evaluation"] = outcome_.last;
  return state;
}

void Trainer::load(const State& state) {
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : parts_.model.parameters) {
    const auto found = state.tensors.find("model/" + parameter.name);
    if (found == state.tensors.end() || found->second.sizes() != parameter.value.sizes())
      throw ModelError("the checkpoint lacks {} in its shape: it is of another model; choose another output_dir", parameter.name);
    parameter.set(found->second);
    if (const auto best = state.tensors.find("best/" + parameter.name); best != state.tensors.end())
      best_weights_[parameter.name] = best->second.clone();
  }
  const Json &cursor = state.values.at("cursor"), &best = state.values.at("best"), &spent = state.values.at("spent"),
             &phase = state.values.at("phase");
  outcome_.best = best.at("value");
  outcome_.best_step = best.at("step");
  evaluations_without_gain_ = best.at("evaluations_without_gain");
  outcome_.train_s = spent.at("train_s");
  outcome_.rows = spent.at("rows");
  outcome_.tokens = spent.at("tokens");
  outcome_.phases = state.values.at("ended_phases").get<std::vector<Json>>();
  outcome_.last = state.values.at("last_evaluation").get<Metrics>();
  outcome_.last_checkpoint = cursor.at("step");

  phase_.number = phase.at("number");
  if (!done()) {
    cursor_.at = {phase.at("start_epoch"), phase.at("start_step")};
    kept_ = part(state, "kept");
    for (auto& [name, moment] : kept_.tensors) moment = moment.to(parts_.model.device(), false, /*copy=*/true);  // written into later
    enter_phase(false);
    optimizer_->load(part(state, "optimizer"));
  }
  cursor_ = {cursor.at("step"), {cursor.at("epoch"), cursor.at("step_in_epoch")}};
  phase_.steps = phase.at("steps");
  phase_.rows = phase.at("rows");
  phase_.tokens = phase.at("tokens");
  phase_.train_s = phase.at("train_s");
  phase_.comm_bytes = phase.at("comm_bytes");
  phase_.best = phase.at("best");
  phase_.evaluations = phase.at("evaluations");
  phase_.evaluations_without_gain = phase.at("evaluations_without_gain");
}

}  // namespace thaw
