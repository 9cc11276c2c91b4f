// Learning-rate schedules: a factor of the rate for every optimizer step of a span. constant, linear and cosine are
// transformers' get_*_schedule_with_warmup; slanted_triangular is ULMFiT's (Howard and Ruder 2018); one_cycle is fastai's
// fit_one_cycle (its rates alone); tri_stage is fairseq's (warm-up, hold, exponential decay; Park et al. 2019).
#pragma once

#include <cstdint>

namespace thaw {

enum class ScheduleKind { constant, linear, cosine, slanted_triangular, one_cycle, tri_stage };

// A length of training or of warm-up, in one unit.
struct Duration {
  enum class Unit { steps, epochs, ratio } unit = Unit::epochs;  // ratio: of all steps, 0…1
  double value = 0;
  bool operator==(const Duration&) const = default;
};

struct ScheduleRecipe {
  ScheduleKind name = ScheduleKind::linear;
  Duration warmup{Duration::Unit::ratio, 0.0};         // of constant, linear and cosine: warmup_steps, warmup_epochs or warmup_ratio
  double cut_frac = 0.1, ratio = 32;                   // of slanted_triangular
  double pct_start = 0.25, div = 25, div_final = 1e5;  // of one_cycle
  double warmup_part = 0.1, hold_part = 0.4;           // of tri_stage, shares of the span; the rest decays
  double initial_scale = 0.01, final_scale = 0.05;     // of tri_stage
  bool operator==(const ScheduleRecipe&) const = default;
};

class Schedule {
 public:
  Schedule(const ScheduleRecipe& recipe, std::int64_t total_steps, std::int64_t warmup_steps)
      : recipe_(recipe), total_(total_steps), warmup_(warmup_steps) {}
  double factor(std::int64_t step) const;  // 0: the first step of the span

 private:
  double slanted_triangular(double at) const;
  double one_cycle(double at) const;
  double tri_stage(double at) const;

  ScheduleRecipe recipe_;
  std::int64_t total_, warmup_;
};

}  // namespace thaw
