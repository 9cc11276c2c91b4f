#include "framework/thaw/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace thaw {

double Schedule::slanted_triangular(double at) const {
  const double cut = std::max(1.0, std::floor(static_cast<double>(total_) * recipe_.cut_frac));
  const double p = at < cut ? at / cut : 1.0 - (at - cut) / (cut * (1.0 / recipe_.cut_frac - 1.0));
  return (1.0 + std::max(0.0, p) * (recipe_.ratio - 1.0)) / recipe_.ratio;
}

// fastai's combined_cos over the share of steps done before this one.
double Schedule::one_cycle(double at) const {
  const auto cosine = [](double from, double to, double share) {
    return from + (1 + std::cos(std::numbers::pi * (1 - share))) * (to - from) / 2;
  };
  const double share = at / std::max(1.0, static_cast<double>(total_));
  if (share < recipe_.pct_start) return cosine(1 / recipe_.div, 1, share / recipe_.pct_start);
  return cosine(1, 1 / recipe_.div_final, (share - recipe_.pct_start) / (1 - recipe_.pct_start));
}

double Schedule::tri_stage(double at) const {
  constexpr double rounding = 1e-9;  // 1 - 0.1 - 0.8 is a tenth
  const double total = static_cast<double>(total_), warm = std::floor(total * recipe_.warmup_part),
               hold = std::floor(total * recipe_.hold_part),
               decay = std::floor(total * (1 - recipe_.warmup_part - recipe_.hold_part) + rounding);
  if (at < warm) return recipe_.initial_scale + (1 - recipe_.initial_scale) * at / warm;
  if (at < warm + hold) return 1;
  if (at >= warm + hold + decay) return recipe_.final_scale;
  return std::exp(std::log(recipe_.final_scale) * (at - warm - hold) / decay);
}

double Schedule::factor(std::int64_t step) const {
  const auto at = static_cast<double>(step), total = static_cast<double>(total_), warmup = static_cast<double>(warmup_);
  if (recipe_.name == ScheduleKind::slanted_triangular) return slanted_triangular(at);
  if (recipe_.name == ScheduleKind::one_cycle) return one_cycle(at);
  if (recipe_.name == ScheduleKind::tri_stage) return tri_stage(at);
  if (step < warmup_) return at / std::max(1.0, warmup);
  const double progress = (at - warmup) / std::max(1.0, total - warmup);
  switch (recipe_.name) {
    case ScheduleKind::linear: return std::max(0.0, (total - at) / std::max(1.0, total - warmup));
    case ScheduleKind::cosine: return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
    default: return 1.0;
  }
}

}  // namespace thaw
