// Phases compiled against a model: who learns, from which layer up, for how long, and what is refused.
#include "framework/thaw/plan.h"

#include <gtest/gtest.h>

#include "tests/thaw/model.h"

namespace thaw {
namespace {

PhaseRecipe phase(std::vector<std::string> trainable, std::int64_t steps) {
  PhaseRecipe recipe;
  recipe.trainable = std::move(trainable);
  recipe.until.steps = steps;
  return recipe;
}

class Plan : public ::testing::Test {
 protected:
  const std::unique_ptr<Model> model = test::bert(4);
  // Epochs of ten steps.
  const DataLength tens{[](const Position&, const Until& until) { return until.steps.value_or(7); },
                        [](Position from, std::int64_t steps) {
                          const std::int64_t all = from.epoch * 10 + from.step + steps;
                          return Position{all / 10, all % 10};
                        }};

  ThawPlan plan(const ThawRecipe& recipe) const { return compile_plan(recipe, *model, 1e-3, tens, "r.yaml"); }
  std::string refusal(const ThawRecipe& recipe) const {
    return test::refusal_of([&] { plan(recipe); });
  }
};

TEST_F(Plan, GradualThawing) {
  ThawRecipe recipe;
  recipe.layer_decay = {Convention::ulmfit, 2, 0};
  recipe.phases = {phase({"head"}, 4), phase({"head", "top 1"}, 5), phase({"encoder.layer.1"}, 8), phase({"/embeddings.LayerNorm/"}, 9),
                   phase({"all"}, 6)};
  recipe.phases[1].lr = 4e-3;
  recipe.phases[1].until.patience = 2;
  recipe.phases[2].until.metrics = {{"dev/accuracy", 0.9}};
  const ThawPlan p = plan(recipe);
  EXPECT_EQ(p.steps(), 32);
  const int frontiers[] = {5, 4, 2, 0, 0};
  const double highest[] = {1e-3, 4e-3, 1e-3 / 8, 1e-3 / 32, 1e-3};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(p.phases[i].frontier, frontiers[i]) << i;
    EXPECT_DOUBLE_EQ(p.phases[i].highest_lr(), highest[i]) << i;
    EXPECT_EQ(p.phases[i].open_ended, i == 1 || i == 2) << i;
    for (std::size_t k = 0; k < model->parameters.size(); ++k)
      EXPECT_EQ(p.phases[i].rates[k].lr > 0, p.phases[i].learning[k]) << i << model->parameters[k].name;
  }
  EXPECT_EQ(p.phases[1].what(), "head, top 1");
}

// A phase begins in the data where the one before it can end at the latest.
TEST_F(Plan, PhasesFollowOneAnotherInTheData) {
  ThawRecipe recipe;
  recipe.phases = {phase({"head"}, 4), phase({"head"}, 13), phase({"all"}, 3)};
  std::vector<std::int64_t> begins;
  const DataLength spy{[&](const Position& from, const Until& until) {
                         begins.push_back(from.epoch * 10 + from.step);
                         return *until.steps;
                       },
                       tens.after};
  compile_plan(recipe, *model, 1e-3, spy, "r.yaml");
  EXPECT_EQ(begins, (std::vector<std::int64_t>{0, 4, 17}));
}

TEST_F(Plan, RatesOfAPhaseStandInPlaceOfTheRuns) {
  ThawRecipe recipe;
  recipe.rates = {{"all", 1e-4}};
  recipe.phases = {phase({"head"}, 1), phase({"head", "top 1"}, 1)};
  recipe.phases[1].rates = {{"head", 2e-4}, {"top 1", 3e-4}};
  const ThawPlan p = plan(recipe);
  EXPECT_DOUBLE_EQ(p.phases[0].highest_lr(), 1e-4);
  EXPECT_DOUBLE_EQ(test::value_of(*model, p.phases[1].rates, "classifier.bias").lr, 2e-4);
  EXPECT_DOUBLE_EQ(p.phases[1].highest_lr(), 3e-4);
}

TEST_F(Plan, WhatDoesNotFitTheModelIsRefusedWithItsKey) {
  ThawRecipe recipe;
  const auto with = [&](const PhaseRecipe& second) {
    recipe.phases = {phase({"head"}, 1), second};
    return refusal(recipe);
  };
  EXPECT_EQ(with(phase({"encoder.layer.7"}, 1)),
            "r.yaml: thaw.phases[1].trainable: 'encoder.layer.7' is neither a layer nor a parameter; the nearest is 'encoder.layer.0' "
            "(layers: embeddings … head)");
  EXPECT_EQ(with(phase({}, 1)), "r.yaml: thaw.phases[1].trainable: nothing learns in this phase; name layers, such as head");
  PhaseRecipe deep = phase({"all"}, 1);
  deep.reinitialise_top = 5;
  EXPECT_EQ(with(deep), "r.yaml: thaw.phases[1].reinitialise_top: expected at most 4, the model's blocks, found 5");
  PhaseRecipe two = phase({"head"}, 1);
  two.rates = {{"head", 1e-3}, {"classifier.bias", 1e-4}};
  EXPECT_EQ(with(two),
            "r.yaml: thaw.phases[1].rates: classifier.bias has two rates, by 'head' and by 'classifier.bias'; let the selectors not overlap");
  recipe.rates = {{"top 1", 1e-3}};
  EXPECT_EQ(with(phase({"head"}, 1)),
            "r.yaml: thaw.rates: bert.pooler.dense.weight learns, but no selector here gives it a rate; add one, such as 'head'");
}

}  // namespace
}  // namespace thaw
