#include "framework/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace thaw {

double Schedule::factor(std::int64_t step) const {
  const auto at = static_cast<double>(step), total = static_cast<double>(total_), warmup = static_cast<double>(warmup_);
  if (recipe_.name == ScheduleKind::slanted_triangular) {
    const double cut = std::max(1.0, std::floor(total * recipe_.cut_frac));
    const double p = at < cut ? at / cut : 1.0 - (at - cut) / (cut * (1.0 / recipe_.cut_frac - 1.0));
    return (1.0 + std::max(0.0, p) * (recipe_.ratio - 1.0)) / recipe_.ratio;
  }
  if (step < warmup_) return at / std::max(1.0, warmup);
  const double progress = (at - warmup) / std::max(1.0, total - warmup);
  switch (recipe_.name) {
    case ScheduleKind::linear: return std::max(0.0, (total - at) / std::max(1.0, total - warmup));
    case ScheduleKind::cosine: return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
    default: return 1.0;
  }
}

}  // namespace thaw
