#include "framework/thaw/plan.h"

#include <algorithm>

#include "framework/base/error.h"
#include "framework/thaw/selection.h"

namespace thaw {

std::string PlannedPhase::what() const { return fmt::format("{}", fmt::join(recipe.trainable, ", ")); }

double PlannedPhase::highest_lr() const {
  double highest = 0;
  for (const ParameterRate& rate : rates) highest = std::max(highest, rate.lr);
  return highest;
}

std::int64_t ThawPlan::steps() const {
  std::int64_t steps = 0;
  for (const PlannedPhase& phase : phases) steps += phase.steps;
  return steps;
}

ThawPlan compile_plan(const ThawRecipe& recipe, const Model& model, double lr, const DataLength& data, const std::string& file) {
  ThawPlan plan;
  Position position;
  for (std::size_t i = 0; i < recipe.phases.size(); ++i) {
    const std::string where = fmt::format("{}: thaw.phases[{}]", file, i);
    PlannedPhase phase;
    phase.recipe = recipe.phases[i];
    phase.learning = select(model, phase.recipe.trainable, where + ".trainable");
    if (std::find(phase.learning.begin(), phase.learning.end(), true) == phase.learning.end())
      throw RecipeError("{}.trainable: nothing learns in this phase; name layers, such as head", where);
    if (phase.recipe.reinitialise_top > model.blocks())
      throw RecipeError("{}.reinitialise_top: expected at most {}, the model's blocks, found {}", where, model.blocks(),
                        phase.recipe.reinitialise_top);
    phase.frontier = model.frontier_of(phase.learning);
    const bool own_rates = !phase.recipe.rates.empty();
    phase.rates = rates_of(model, phase.learning, phase.recipe.lr.value_or(lr), recipe.layer_decay,
                           own_rates ? phase.recipe.rates : recipe.rates, own_rates ? where + ".rates" : file + ": thaw.rates");
    phase.steps = data.steps(position, phase.recipe.until);
    phase.open_ended = phase.recipe.until.patience > 0 || !phase.recipe.until.metrics.empty();
    position = data.after(position, phase.steps);
    plan.phases.push_back(std::move(phase));
  }
  return plan;
}

}  // namespace thaw
