// What log.jsonl of a run tells, gathered line by line in bounded memory: steps, evaluations, phases as they went.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "framework/base/json.h"
#include "launcher/page/step_series.h"

namespace thaw {

struct PhaseSeen {
  std::int64_t first = 0, last = 0, steps = 0;  // step numbers from 1
  double rows = 0, train_s = 0, comm_bytes = 0, highest_lr = 0;
};

// A number of an entry; NaN where it is not there or null, which is how JSON has what is not finite.
double number_in(const Json& entry, const char* key);

class RunLog {
 public:
  static constexpr std::size_t most_evaluations = 1000;

  void take(const Json& entry);  // a line of log.jsonl, whatever it holds
  void clear() { *this = RunLog(); }

  const StepSeries& steps() const { return steps_; }
  const std::map<std::int64_t, PhaseSeen>& phases() const { return phases_; }  // by number, from 1
  // Each {"step", "epoch", "elapsed_s", "evaluation_s", "best", "metrics"}; thinned out evenly past most_evaluations, without
  // the metrics of single labels ("dev/f1/positive") but in the last one.
  Json evaluations() const;
  const Json& last_evaluation() const { return last_evaluation_; }  // null before the first
  const Json& best_evaluation() const { return best_evaluation_; }
  double rows() const { return rows_; }
  double train_s() const { return train_s_; }
  std::int64_t not_finite() const { return not_finite_; }                           // steps that taught nothing
  std::optional<std::int64_t> steps_per_epoch() const { return steps_per_epoch_; }  // of the last whole epoch
  std::optional<std::int64_t> total_steps() const { return total_steps_; }          // as the trainer last reckoned, where it says so

 private:
  void take_step(const Json& entry, double step);
  void take_evaluation(const Json& entry, double step);

  StepSeries steps_;
  std::map<std::int64_t, PhaseSeen> phases_;
  std::vector<Json> evaluations_;
  std::int64_t keep_every_ = 1, evaluations_seen_ = 0, not_finite_ = 0;
  Json last_evaluation_, best_evaluation_;
  double rows_ = 0, train_s_ = 0, elapsed_s_ = 0, epoch_ = 0, epoch_began_ = 1;
  std::optional<std::int64_t> steps_per_epoch_, total_steps_;
};

}  // namespace thaw
