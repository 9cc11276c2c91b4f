#include "framework/train/trainer.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "framework/base/clock.h"
#include "framework/base/error.h"
#include "framework/base/random.h"

namespace thaw {

std::atomic<int> stop_signal{0};

namespace {

Batches batches_of(const Recipe& recipe, const RunData& data) {
  std::vector<Order::Source> sources;
  std::vector<std::vector<std::uint32_t>> lengths;
  for (std::size_t i = 0; i < data.train.size(); ++i) {
    sources.push_back({data.train[i].shards->rows(), recipe.data.train[i].weight});
    lengths.push_back(sizes_of(*data.inputs, data.train[i]));
  }
  return {Order(recipe.seeds.order, std::move(sources)), std::move(lengths), recipe.batch};
}

// The training sources, then the evaluation sets: the order in which `Trainer::forward` numbers them.
std::vector<std::vector<std::uint32_t>> lengths_of(const RunData& data) {
  std::vector<std::vector<std::uint32_t>> lengths;
  for (const auto* const sets : {&data.train, &data.eval})
    for (const DataSet& set : *sets) lengths.push_back(lengths_of(*data.inputs, set));
  return lengths;
}

DataLength length_of(const Batches& batches) {
  return {[&](const Position& from, const Until& until) { return batches.steps_until(from, until); },
          [&](const Position& from, std::int64_t steps) { return batches.after(from, steps); }};
}

// Which rank runs each grain of a step: ranks in turn, each as many as the others or one more; −1 where it is empty.
std::vector<int> owners_of(const Step& step, int ranks) {
  const auto grains = static_cast<std::int64_t>(step.grains.size());
  std::vector<int> owners;
  for (std::int64_t grain = 0; grain < grains; ++grain)
    owners.push_back(step.grains[static_cast<std::size_t>(grain)].empty() ? -1 : static_cast<int>(((grain + 1) * ranks - 1) / grains));
  return owners;
}

SumTree tree_of(const std::vector<int>& owners, int ranks, bool fixed) {
  if (fixed) return SumTree::fixed(owners, ranks);
  std::vector<int> terms(static_cast<std::size_t>(ranks));
  for (const int owner : owners)
    if (owner >= 0) ++terms[static_cast<std::size_t>(owner)];
  return SumTree::by_rank(terms);
}

}  // namespace

ThawPlan plan_of(const Recipe& recipe, const Model& model, const DataLength& data) {
  ThawRecipe thaw = recipe.thaw;
  thaw.phases = phases_of(recipe);
  return compile_plan(thaw, model, recipe.optimizer.lr, data, recipe.file.string());
}

Trainer::Trainer(Parts parts)
    : parts_(std::move(parts)),
      batches_(batches_of(parts_.recipe, parts_.data)),
      plan_(plan_of(parts_.recipe, parts_.model, length_of(batches_))),
      reproducible_(parts_.recipe.reproducible),
      cache_(parts_.recipe.cache, *parts_.comm, parts_.memory_bytes, lengths_of(parts_.data), reproducible_),
      divergence_(parts_.recipe.divergence),
      writer_(*parts_.comm, parts_.run, parts_.recipe.output_dir, parts_.recipe.checkpoint.keep) {
  outcome_.metric = parts_.recipe.evaluate.metric;
  for (const PlannedPhase& phase : plan_.phases) restores_ = restores_ || phase.recipe.restore_best;
  change_weights();
  enter_phase(Kept::undecided);
}

Outcome Trainer::run() {
  started_ = last_save_ = last_look_ = Clock::now();
  begun_at_ = cursor_.step;
  if (!done()) say_phase();
  for (Wishes all = agree(); !done() && !enough(); all = agree()) {
    if (all.stop()) {
      outcome_.stopped_by = all.signal > 0 ? fmt::format("signal {}", all.signal) : "max_time";
      break;
    }
    if (!evaluation_due_) {
      const Step step = batches_.step(static_cast<std::uint64_t>(cursor_.at.epoch), cursor_.at.step);
      StepReport report = take(step);
      advance(step, report);
      parts_.telemetry.step(report);
      if (report.skipped) refuse_to_diverge(step);
      evaluation_due_ = !parts_.data.eval.empty() && (due(parts_.recipe.evaluate.every_steps) || phase_.steps == phase_.limit);
    }
    const std::int64_t best_before = outcome_.best_step;
    if (evaluation_due_ && !evaluate()) continue;  // asked to stop meanwhile
    evaluation_due_ = false;
    const std::string ended_by = end_of_phase();
    if (!ended_by.empty()) end_phase(ended_by);

    const bool best = parts_.recipe.checkpoint.keep_best && outcome_.best_step != best_before;
    if (!ended_by.empty() || enough() || due(parts_.recipe.checkpoint.every_steps) || best || save_wanted_) save();
    else if (writer_.under_way() && all.written) writer_.publish();
  }
  if (!outcome_.stopped_by.empty() && cursor_.step > 0 && outcome_.last_checkpoint != cursor_.step) save();
  writer_.finish();
  parts_.telemetry.end_bar();
  if (!done() && enough()) outcome_.stopped_by = "early stopping";
  outcome_.finished = done() || outcome_.stopped_by == "early stopping";
  outcome_.steps = cursor_.step;
  outcome_.skipped_steps = divergence_.skipped();
  outcome_.wall_s = seconds_since(started_);
  return outcome_;
}

bool Trainer::due(std::int64_t every_steps) const { return every_steps > 0 ? cursor_.step % every_steps == 0 : epoch_ended_; }

bool Trainer::enough() const { return parts_.recipe.evaluate.patience > 0 && evaluations_without_gain_ >= parts_.recipe.evaluate.patience; }

// What one rank knows (its clock, its signals, a file) is agreed on, so that all take the same branch.
Trainer::Wishes Trainer::agree() {
  const double save_after = parts_.recipe.checkpoint.every_minutes * 60;
  bool save_now = false;
  if (parts_.run != nullptr && seconds_since(last_look_) > 0.5) {
    std::error_code ignored;
    save_now = fs::remove(parts_.run->path() / "save-now", ignored);
    last_look_ = Clock::now();
  }
  // However short the time, each start takes the run a step further.
  const bool out_of_time = parts_.recipe.max_time_s && cursor_.step > begun_at_ && seconds_since(started_) > *parts_.recipe.max_time_s;
  double wishes[4] = {static_cast<double>(stop_signal.load()), out_of_time ? 1.0 : 0.0,
                      save_now || (save_after > 0 && seconds_since(last_save_) > save_after) ? 1.0 : 0.0, writer_.written() ? 0.0 : 1.0};
  parts_.comm->all_reduce(wishes, 4, CommType::f64, CommOp::max);
  save_wanted_ = save_wanted_ || wishes[2] > 0;
  return {static_cast<int>(wishes[0]), wishes[1] > 0, wishes[3] == 0};
}

// After a step that taught nothing: too many in a row, and the run stops where its rows can still be looked at.
void Trainer::refuse_to_diverge(const Step& step) {
  parts_.telemetry.say(fmt::format("step {:>5}  skipped: the loss or the gradient's norm is not finite", cursor_.step));
  if (!divergence_.enough()) return;
  writer_.finish();
  std::string rows;
  std::size_t named = 0;
  for (const auto& grain : step.grains)
    for (const Order::Pick pick : grain)
      if (++named <= 32)
        rows += fmt::format("{}{}:{}", rows.empty() ? "" : ", ", parts_.recipe.data.train[pick.source].path,
                            parts_.data.train[pick.source].shards->source_line(pick.row));
  throw DataError(
      "step {}: the loss or the gradient's norm was not finite for {} steps in a row (divergence.max_skipped): lower optimizer.lr, or look "
      "at "
      "this step's rows: {}{}. The last checkpoint, of {}, is as it was",
      cursor_.step, parts_.recipe.divergence.max_skipped, rows, named > 32 ? fmt::format(" and {} more", named - 32) : "",
      outcome_.last_checkpoint > 0 ? fmt::format("step {}", outcome_.last_checkpoint) : "no step");
}

// This rank's grains, forward and backward. The divisor is the whole step's, so that gradients and losses add up.
double Trainer::accumulate(const Step& step) {
  const Objective& objective = *parts_.data.objective;
  double divisor = 0;
  for (const auto& grain : step.grains)
    for (const Order::Pick pick : grain) divisor += objective.share(parts_.data.train[pick.source], pick.row);
  if (divisor <= 0) divisor = 1;  // every row weighs nothing: the step teaches nothing

  const std::vector<int> owners = owners_of(step, parts_.comm->size());
  sync_->begin(std::make_shared<SumTree>(tree_of(owners, parts_.comm->size(), reproducible_)));
  std::vector<double> losses(step.grains.size());
  for (std::size_t g = 0; g < step.grains.size(); ++g) {
    if (owners[g] != parts_.comm->rank()) continue;
    const std::vector<RowOfSet> rows = rows_of(step.grains[g]);
    Context context;
    context.training = true;
    context.augmented = planned().recipe.augment;
    context.random_key = random_key(parts_.recipe.seeds.dropout, cursor_.step);
    context.first_token = step.first_token[g];
    context.first_row = step.first_row[g];
    Targets targets = objective.targets(rows, context);
    targets.to(parts_.model.device());
    move_to(context, parts_.model.device());
    const at::Tensor sum = objective.loss(forward(rows, context), targets) / divisor;
    sum.backward();
    losses[g] = sum.item<double>();
  }
  sync_->finish();
  if (const std::string said = cache_.share(); !said.empty()) parts_.telemetry.say(said);
  parts_.comm->all_reduce(losses.data(), losses.size(), CommType::f64);  // each has one term: no order of adding matters
  return std::accumulate(losses.begin(), losses.end(), 0.0);
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
  const double now = factor(phase_.steps);
  report.lr = planned().highest_lr() * now;
  report.skipped = !divergence_.finite(report.loss, report.gradient_norm);
  if (!report.skipped) update(report.gradient_norm, now);
  report.comm_bytes = report.skipped ? sync_->bytes_per_step() : bytes_per_step();
  report.comm_wait_s = sync_->wait_s();
  report.comm_hidden_s = sync_->hidden_s();
  report.step_s = seconds_since(start);
  return report;
}

Packed Trainer::forward(const std::vector<RowOfSet>& rows, const Context& context) {
  std::vector<CacheRow> keys;
  for (const RowOfSet& row : rows) {
    std::size_t number = 0;
    for (const auto* const sets : {&parts_.data.train, &parts_.data.eval})
      for (const DataSet& set : *sets) {
        if (&set == row.set) keys.push_back({number, row.row});
        ++number;
      }
  }
  const auto read = [&](const std::vector<std::size_t>& wanted, Context& inputs) {
    std::vector<RowOfSet> some;
    for (const std::size_t row : wanted) some.push_back(rows[row]);
    std::vector<std::int64_t> cu_seqlens = parts_.data.inputs->read(some, inputs);
    move_to(inputs, parts_.model.device());
    return cu_seqlens;
  };
  return cache_.forward(parts_.model, keys, context, read);
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
  if (!divergence_.unusual().empty()) parts_.telemetry.say(fmt::format("step {:>5}  unusual: {}", cursor_.step, divergence_.unusual()));
}

bool Trainer::evaluate() {
  const auto start = Clock::now();
  Metrics measured;
  for (const DataSet& set : parts_.data.eval) {
    const auto all = static_cast<std::int64_t>(evaluated_rows(set, parts_.recipe.evaluate.max_rows).size());
    const auto progress = [&](std::int64_t done) {
      parts_.telemetry.progress("evaluating " + set.name, done, all);
      return !agree().stop();
    };
    const auto through_cache = [&](const auto& rows, const auto& context) { return forward(rows, context); };
    const std::string reports = parts_.run != nullptr ? parts_.run->path().string() : "";
    const auto found =
        parts_.data.objective->measure(set, {parts_.model, *parts_.data.inputs, *parts_.comm, progress, through_cache, reports});
    if (!found) return false;
    for (const auto& [name, value] : *found) measured.emplace_back(set.name + "/" + name, value);
  }
  outcome_.last = std::move(measured);
  const auto chosen =
      std::find_if(outcome_.last.begin(), outcome_.last.end(), [&](const auto& entry) { return entry.first == outcome_.metric; });
  const bool better = outcome_.best_step == 0 || is_better(chosen->second, outcome_.best, outcome_.metric);
  evaluations_without_gain_ = better ? 0 : evaluations_without_gain_ + 1;
  const bool better_in_phase = phase_.evaluations++ == 0 || is_better(chosen->second, phase_.best, outcome_.metric);
  phase_.evaluations_without_gain = better_in_phase ? 0 : phase_.evaluations_without_gain + 1;
  if (better_in_phase) phase_.best = chosen->second;
  if (better) {
    outcome_.best = chosen->second;
    outcome_.best_step = cursor_.step;
    keep_best();
    if (parts_.run != nullptr) parts_.export_best();
  }
  parts_.telemetry.evaluation(cursor_.step, cursor_.at.epoch, outcome_.last, seconds_since(start), better);
  return true;
}

void Trainer::save() {
  const auto start = last_save_ = Clock::now();
  save_wanted_ = false;
  outcome_.last_checkpoint = cursor_.step;
  writer_.begin(cursor_.step, state(), outcome_.best_step == cursor_.step && parts_.recipe.checkpoint.keep_best);
  ++outcome_.saves;
  outcome_.saving_s += seconds_since(start);
}

}  // namespace thaw
