// ThawPlan: the recipe's phases compiled against a model, before anything runs: who learns when, at which rate and for how
// long at the most. Pure; `thaw train` follows it, `thaw plan` prints it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "framework/models/model.h"
#include "framework/thaw/rates.h"
#include "framework/thaw/thaw_recipe.h"

namespace thaw {

struct PlannedPhase {
  PhaseRecipe recipe;
  std::vector<bool> learning;        // by parameter of the model
  std::vector<ParameterRate> rates;  // likewise
  int frontier = 0;                  // the lowest layer that reads a learning parameter
  std::int64_t steps = 0;            // at the most
  bool open_ended = false;           // may end before
  std::string what() const;          // "head, top 2"
  double highest_lr() const;
};

struct ThawPlan {
  std::vector<PlannedPhase> phases;
  std::int64_t steps() const;  // of all phases, at the most
};

// Where training stands in its data: an epoch, and steps within it.
struct Position {
  std::int64_t epoch = 0, step = 0;
};

// What a plan needs to know of the data: how many steps it takes from `from` until a phase has seen its epochs, steps or
// rows (the fewest of those given), and where training stands then.
struct DataLength {
  std::function<std::int64_t(const Position& from, const Until& until)> steps;
  std::function<Position(Position from, std::int64_t steps)> after;
};

// `lr` is optimizer.lr, `file` begins errors. RecipeError for selectors that mean nothing, phases that learn nothing, and
// parameters with no rate or two.
ThawPlan compile_plan(const ThawRecipe& recipe, const Model& model, double lr, const DataLength& data, const std::string& file);

}  // namespace thaw
