#include "framework/train/trainer.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "framework/base/error.h"
#include "framework/base/random.h"
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

std::int64_t steps_of(const Duration& length, const Batches& batches) {
  if (length.unit == Duration::Unit::steps) return static_cast<std::int64_t>(length.value);
  const auto whole = static_cast<std::int64_t>(length.value);
  std::int64_t steps = 0;
  for (std::int64_t epoch = 0; epoch < whole; ++epoch) steps += batches.steps(static_cast<std::uint64_t>(epoch));
  const double part = length.value - static_cast<double>(whole);
  if (part > 0) steps += static_cast<std::int64_t>(std::ceil(part * static_cast<double>(batches.steps(static_cast<std::uint64_t>(whole)))));
  return steps;
}

std::int64_t warmup_of(const Duration& warmup, std::int64_t total, const Batches& batches) {
  if (warmup.unit == Duration::Unit::ratio) return static_cast<std::int64_t>(std::ceil(warmup.value * static_cast<double>(total)));
  return steps_of(warmup, batches);
}

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
      total_steps_(steps_of(parts_.recipe.length, batches_)),
      schedule_(parts_.recipe.schedule, total_steps_, warmup_of(parts_.recipe.schedule.warmup, total_steps_, batches_)) {
  // Top layer first: the order in which backward finishes them, and so the order of the buckets.
  std::vector<Parameter*> learning;
  for (Parameter& parameter : parts_.model.parameters) learning.push_back(&parameter);
  std::stable_sort(learning.begin(), learning.end(), [](const Parameter* a, const Parameter* b) { return a->group > b->group; });
  std::vector<SyncedParameter> synced;
  for (const Parameter* p : learning) synced.push_back({p->name, p->working, p->role == Role::embedding});
  sync_ = std::make_unique<GradientSync>(parts_.comm, parts_.devices, std::move(synced));

  std::vector<OptimizedParameter> optimized;
  for (std::size_t i = 0; i < learning.size(); ++i) {
    const Parameter& p = *learning[i];
    const bool copied = p.working.scalar_type() != at::kFloat;
    optimized.push_back({p.name, p.value, sync_->gradient(i), copied ? p.working.detach() : at::Tensor(), 1.0, p.decays()});
    if (p.role == Role::embedding) optimized.back().touched = [this, i] { return sync_->touched(i); };
  }
  optimizer_ = std::make_unique<AdamW>(parts_.recipe.optimizer, std::move(optimized));
  by_name_.resize(learning.size());
  std::iota(by_name_.begin(), by_name_.end(), 0);
  std::sort(by_name_.begin(), by_name_.end(), [&](std::size_t a, std::size_t b) { return learning[a]->name < learning[b]->name; });
  outcome_.metric = parts_.recipe.evaluate.metric;
  const std::vector<std::string> names = metric_names(parts_.data);
  if (!outcome_.metric.empty() && std::find(names.begin(), names.end(), outcome_.metric) == names.end())
    throw RecipeError("evaluate.metric: there is no metric '{}'; there are: {}", outcome_.metric, fmt::join(names, ", "));
}

Outcome Trainer::run() {
  const auto start = Clock::now();
  auto last_save = start;
  while (!last_step()) {
    const auto step_start = Clock::now();
    const Step step = batches_.step(static_cast<std::uint64_t>(cursor_.epoch), cursor_.step_in_epoch);
    StepReport report;
    report.loss = accumulate(step);
    update(report);
    advance();

    report.step = cursor_.step;
    report.total_steps = total_steps_;
    report.epoch = cursor_.epoch - (epoch_ended_ ? 1 : 0);
    report.rows = step.rows;
    report.tokens = step.tokens;
    report.step_s = seconds_since(step_start);
    outcome_.train_s += report.step_s;
    outcome_.rows += step.rows;
    outcome_.tokens += step.tokens;
    parts_.telemetry.step(report);

    const bool evaluation_due =
        parts_.recipe.evaluate.every_steps > 0 ? cursor_.step % parts_.recipe.evaluate.every_steps == 0 : epoch_ended_;
    if (!parts_.data.eval.empty() && (evaluation_due || last_step())) evaluate();
    const bool enough = parts_.recipe.evaluate.patience > 0 && evaluations_without_gain_ >= parts_.recipe.evaluate.patience;

    // What one rank knows (its clock, its signals) is agreed on, so that all take the same branch.
    const double save_after = parts_.recipe.checkpoint.every_minutes * 60;
    double wishes[3] = {static_cast<double>(stop_signal.load()),
                        parts_.recipe.max_time_s && seconds_since(start) > *parts_.recipe.max_time_s ? 1.0 : 0.0,
                        save_after > 0 && seconds_since(last_save) > save_after ? 1.0 : 0.0};
    parts_.comm->all_reduce(wishes, 3, CommType::f64, CommOp::max);
    const bool stop = wishes[0] > 0 || wishes[1] > 0;
    const bool save_due =
        parts_.recipe.checkpoint.every_steps > 0 ? cursor_.step % parts_.recipe.checkpoint.every_steps == 0 : epoch_ended_;
    if (last_step() || enough || stop || save_due || wishes[2] > 0) {
      save();
      last_save = Clock::now();
    }
    if (enough) {
      outcome_.stopped_by = "early stopping";
      break;
    }
    if (stop && !last_step()) {
      outcome_.stopped_by = wishes[0] > 0 ? fmt::format("signal {}", static_cast<int>(wishes[0])) : "max_time";
      break;
    }
  }
  parts_.telemetry.end_bar();
  outcome_.finished = last_step() || outcome_.stopped_by == "early stopping";
  outcome_.steps = cursor_.step;
  outcome_.wall_s = seconds_since(start);
  return outcome_;
}

// This rank's grains, forward and backward. The divisor is the whole step's, so that gradients and losses add up.
double Trainer::accumulate(const Step& step) {
  const int rank = parts_.comm->rank(), ranks = parts_.comm->size();
  double divisor = 0;
  for (const auto& grain : step.grains)
    for (const Order::Pick pick : grain) divisor += share_of(parts_.data.train[pick.source], pick.row, loss_);
  if (divisor <= 0) divisor = 1;  // every row weighs nothing: the step teaches nothing

  const std::size_t grains = step.grains.size();
  const std::size_t begin = grains * static_cast<std::size_t>(rank) / static_cast<std::size_t>(ranks);
  const std::size_t end = grains * static_cast<std::size_t>(rank + 1) / static_cast<std::size_t>(ranks);
  int passes = 0;
  for (std::size_t g = begin; g < end; ++g) passes += step.grains[g].empty() ? 0 : 1;
  sync_->begin(passes);
  double loss = 0;
  for (std::size_t g = begin; g < end; ++g) {
    if (step.grains[g].empty()) continue;
    std::vector<RowOfSet> rows;
    for (const Order::Pick pick : step.grains[g]) rows.push_back({&parts_.data.train[pick.source], pick.row});
    PackedBatch batch = collate(rows, parts_.data.outputs());
    batch.to(parts_.model.device());
    Context context{batch.input_ids, batch.token_types, batch.positions};
    context.training = true;
    context.random_key = random_key(parts_.recipe.seeds.dropout, cursor_.step);
    context.first_token = step.first_token[g];
    context.first_row = step.first_row[g];
    const at::Tensor sum = loss_.sum(parts_.model.forward(batch.cu_seqlens, context), batch.targets) / divisor;
    sum.backward();
    loss += sum.item<double>();
  }
  sync_->finish();
  parts_.comm->all_reduce(&loss, 1, CommType::f64);
  return loss;
}

void Trainer::update(StepReport& report) {
  const OptimizerRecipe& recipe = parts_.recipe.optimizer;
  std::vector<at::Tensor> gradients;
  for (const std::size_t i : by_name_) {
    const at::Tensor& touched = sync_->touched(i);
    gradients.push_back(touched.defined() ? sync_->gradient(i).index_select(0, touched) : sync_->gradient(i));
  }
  report.gradient_norm = global_norm(gradients);
  if (!std::isfinite(report.gradient_norm) || !std::isfinite(report.loss))
    throw DataError("step {}: the loss is {} and the gradient's norm {}: lower optimizer.lr, or look at the rows of this step",
                    cursor_.step + 1, report.loss, report.gradient_norm);
  report.lr = recipe.lr * schedule_.factor(cursor_.step);
  // torch's clip_grad_norm_: max_norm / (norm + 1e-6), never above 1
  const double scale = recipe.clip_norm > 0 ? std::min(1.0, recipe.clip_norm / (report.gradient_norm + 1e-6)) : 1.0;
  optimizer_->step(report.lr, scale);
  report.comm_bytes = sync_->bytes_per_step();
  report.comm_wait_s = sync_->wait_s();
}

void Trainer::advance() {
  ++cursor_.step;
  ++cursor_.step_in_epoch;
  epoch_ended_ = cursor_.step_in_epoch >= batches_.steps(static_cast<std::uint64_t>(cursor_.epoch));
  if (!epoch_ended_) return;
  ++cursor_.epoch;
  cursor_.step_in_epoch = 0;
}

void Trainer::evaluate() {
  const auto start = Clock::now();
  outcome_.last.clear();
  for (const DataSet& set : parts_.data.eval) {
    const at::Tensor outputs = predict(parts_.model, set, parts_.data.outputs(), *parts_.comm, 4096, [&](std::int64_t done) {
      parts_.telemetry.progress("evaluating " + set.name, done, static_cast<std::int64_t>(set.shards->rows()));
    });
    for (const auto& [name, value] : metrics_of(outputs, set, parts_.data, loss_)) outcome_.last.emplace_back(set.name + "/" + name, value);
  }
  const auto chosen =
      std::find_if(outcome_.last.begin(), outcome_.last.end(), [&](const auto& entry) { return entry.first == outcome_.metric; });
  const bool better =
      outcome_.best_step == 0 || (larger_is_better(outcome_.metric) ? chosen->second > outcome_.best : chosen->second < outcome_.best);
  evaluations_without_gain_ = better ? 0 : evaluations_without_gain_ + 1;
  if (better) {
    outcome_.best = chosen->second;
    outcome_.best_step = cursor_.step;
    if (parts_.run != nullptr) parts_.export_best();
  }
  parts_.telemetry.evaluation(cursor_.step, cursor_.epoch, outcome_.last, seconds_since(start), better);
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

State Trainer::state() const {
  State state;
  merge(state, "optimizer", optimizer_->state());
  for (const Parameter& parameter : parts_.model.parameters) state.tensors["model/" + parameter.name] = parameter.value;
  state.values["cursor"] = {{"step", cursor_.step}, {"epoch", cursor_.epoch}, {"step_in_epoch", cursor_.step_in_epoch}};
  state.values["best"] = {{"metric", outcome_.metric},
                          {"value", outcome_.best},
                          {"step", outcome_.best_step},
                          {"evaluations_without_gain", evaluations_without_gain_}};
  state.values["spent"] = {{"train_s", outcome_.train_s}, {"rows", outcome_.rows}, {"tokens", outcome_.tokens}};
  return state;
}

void Trainer::load(const State& state) {
  const at::NoGradGuard no_grad;
  optimizer_->load(part(state, "optimizer"));
  for (Parameter& parameter : parts_.model.parameters) {
    const auto found = state.tensors.find("model/" + parameter.name);
    if (found == state.tensors.end() || found->second.sizes() != parameter.value.sizes())
      throw ModelError("the checkpoint lacks {} in its shape: it is of another model; choose another output_dir", parameter.name);
    parameter.value.copy_(found->second);
    if (parameter.working.scalar_type() != at::kFloat) parameter.working.detach().copy_(parameter.value);
  }
  const Json &cursor = state.values.at("cursor"), &best = state.values.at("best"), &spent = state.values.at("spent");
  cursor_ = {cursor.at("step"), cursor.at("epoch"), cursor.at("step_in_epoch")};
  outcome_.best = best.at("value");
  outcome_.best_step = best.at("step");
  evaluations_without_gain_ = best.at("evaluations_without_gain");
  outcome_.train_s = spent.at("train_s");
  outcome_.rows = spent.at("rows");
  outcome_.tokens = spent.at("tokens");
}

}  // namespace thaw
