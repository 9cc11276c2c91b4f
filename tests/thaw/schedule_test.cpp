// Schedules step by step: against transformers, and against the code that published the others.
#include "framework/thaw/schedule.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/reference.h"

namespace thaw {
namespace {

TEST(Schedule, AsTransformersFastaiAndFairseq) {
  THAW_NEEDS_PYTHON();
  const std::map<std::string, ScheduleKind> kinds{{"constant", ScheduleKind::constant},
                                                  {"linear", ScheduleKind::linear},
                                                  {"cosine", ScheduleKind::cosine},
                                                  {"slanted_triangular", ScheduleKind::slanted_triangular},
                                                  {"one_cycle", ScheduleKind::one_cycle},
                                                  {"tri_stage", ScheduleKind::tri_stage}};
  const Json cases = test::reference("thaw/schedule_reference.py");
  EXPECT_EQ(cases.size(), 24U);
  for (const Json& c : cases) {
    ScheduleRecipe recipe;
    recipe.name = kinds.at(c["name"]);
    const auto option = [&](const char* key, double& value) { value = c["options"].value(key, value); };
    option("cut_frac", recipe.cut_frac), option("ratio", recipe.ratio);
    option("pct_start", recipe.pct_start), option("div", recipe.div), option("div_final", recipe.div_final);
    option("warmup_part", recipe.warmup_part), option("hold_part", recipe.hold_part);
    option("initial_scale", recipe.initial_scale), option("final_scale", recipe.final_scale);
    const Schedule schedule(recipe, c["total"], c["warmup"]);
    for (std::size_t step = 0; step < c["factors"].size(); ++step)
      EXPECT_NEAR(schedule.factor(static_cast<std::int64_t>(step)), c["factors"][step], 1e-12)
          << c["name"] << c["total"] << c["options"] << " step " << step;
  }
}

// Spans of a step or two, and steps past the end (a phase may outlast what was foreseen): always a number from 0 to 1.
TEST(Schedule, AnyStepOfAnySpanIsAFactor) {
  for (int kind = 0; kind <= static_cast<int>(ScheduleKind::tri_stage); ++kind)
    for (std::int64_t total = 1; total < 12; ++total)
      for (const std::int64_t warmup : {std::int64_t{0}, total})
        for (std::int64_t step = 0; step < 3 * total; ++step) {
          ScheduleRecipe recipe;
          recipe.name = static_cast<ScheduleKind>(kind);
          const double factor = Schedule(recipe, total, warmup).factor(step);
          EXPECT_TRUE(factor >= 0 && factor <= 1) << kind << " step " << step << " of " << total << ": " << factor;
        }
}

}  // namespace
}  // namespace thaw
