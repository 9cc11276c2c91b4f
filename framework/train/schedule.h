// Learning-rate schedules: a factor of the recipe's rate for every optimizer step. constant, linear and cosine are
// transformers' get_*_schedule_with_warmup; slanted_triangular is ULMFiT's (Howard and Ruder 2018).
#pragma once

#include <cstdint>

#include "framework/train/recipe.h"

namespace thaw {

class Schedule {
 public:
  Schedule(const ScheduleRecipe& recipe, std::int64_t total_steps, std::int64_t warmup_steps)
      : recipe_(recipe), total_(total_steps), warmup_(warmup_steps) {}
  double factor(std::int64_t step) const;  // 0: the first step

 private:
  ScheduleRecipe recipe_;
  std::int64_t total_, warmup_;
};

}  // namespace thaw
