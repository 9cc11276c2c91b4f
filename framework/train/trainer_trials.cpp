// What forecasts and range tests try on a trainer that will not run.
#include <algorithm>
#include <cmath>

#include "framework/base/clock.h"
#include "framework/train/trainer.h"

namespace thaw {

void Trainer::jump_to_phase(std::size_t number) {
  Position start;
  for (std::size_t i = 0; i < number; ++i) start = batches_.after(start, plan_.phases[i].steps);
  phase_ = {};
  phase_.number = number;
  cursor_.at = start;
  keep_best();  // as an evaluation before would have
  const Kept kept = cache_.keeps(kept_layer(number)) ? Kept::filled : Kept::undecided;
  cache_.forget_above(0);
  enter_phase(kept);
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

Trainer::EvaluationCost Trainer::sample_evaluation(bool time_it) {
  double model_s = 0, all_s = 0, sizes = 0;
  for (const DataSet& set : parts_.data.eval) {
    const auto batches = evaluation_batches(set, *parts_.data.inputs, evaluated_rows(set));
    if (batches.empty()) continue;
    const Evaluation alone{parts_.model, *parts_.data.inputs, *parts_.comm};
    const auto all = parts_.data.objective->pass(alone);
    all(batches.front());  // memory is found, kernels are chosen
    if (!time_it) continue;
    for (const std::size_t sampled : {batches.size() / 3, batches.size() * 2 / 3}) {
      const std::vector<RowOfSet>& rows = batches[sampled];
      auto start = Clock::now();
      Context context;
      parts_.data.objective->targets(rows, context);
      run_batch(alone, rows, context);
      model_s += seconds_since(start);
      start = Clock::now();
      all(rows);
      all_s += seconds_since(start);
      for (const RowOfSet& row : rows) sizes += parts_.data.inputs->size(row.shards(), row.row);
    }
  }
  if (sizes == 0) return {};
  return {model_s / sizes, std::max(model_s, all_s) / sizes};
}

std::uint64_t Trainer::learning_bytes() const {
  std::int64_t elements = 0;
  for (std::size_t i = 0; i < planned().learning.size(); ++i) {
    const at::Tensor& value = parts_.model.parameters[i].value;
    if (planned().learning[i]) elements += value.numel() + 2 * optimizer_->slice(value).count();
  }
  return static_cast<std::uint64_t>(elements) * sizeof(float);
}

void Trainer::expect_ids(const at::Tensor& ids) {
  for (const Parameter& parameter : parts_.model.parameters)
    if (parameter.role == Role::embedding && parameter.value.size(0) == parts_.model.vocabulary_size)
      optimizer_->expect(parameter.name, ids);
}

}  // namespace thaw
