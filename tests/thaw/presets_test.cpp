// What would be lost: a preset that says "as published" and trains other layers, at other rates, for another time.
// The expectations are written from the papers and from the sources that presets.cpp names, not from its output.
#include <gtest/gtest.h>

#include <cmath>

#include "framework/base/error.h"
#include "framework/thaw/presets.h"
#include "framework/thaw/rates.h"
#include "framework/train/recipe.h"
#include "tests/thaw/least_recipe.h"

namespace thaw {
namespace {

Recipe expanded(const std::string& name, int blocks, const std::vector<std::string>& overrides = {}) {
  Recipe recipe = parse_recipe("r.yaml", test::least_recipe + "thaw: {preset: " + name + "}\n", overrides);
  expand_thaw(recipe, numbered_blocks(blocks));
  return recipe;
}

ThawRecipe of(const std::string& name, int blocks) { return expanded(name, blocks).thaw; }

using Words = std::vector<std::string>;

// (epochs, learning) of every phase.
std::vector<std::pair<double, Words>> course(const ThawRecipe& thaw) {
  std::vector<std::pair<double, Words>> phases;
  for (const PhaseRecipe& phase : thaw.phases) phases.emplace_back(phase.until.epochs.value_or(0), phase.trainable);
  return phases;
}

// Group 0 is the embeddings, 1…3 blocks, 4 the head.
std::vector<double> factors(const ThawRecipe& thaw, int blocks) {
  std::vector<double> all;
  for (int group = 0; group <= blocks + 1; ++group) all.push_back(layer_factor(thaw.layer_decay, group, blocks));
  return all;
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i] / expected[i], 1, 1e-12) << i;
}

std::vector<double> curve(const PhaseRecipe& phase, int steps) {
  std::vector<double> all;
  for (int step = 0; step < steps; ++step) all.push_back(Schedule(phase.schedule.value(), steps, 0).factor(step));
  return all;
}

TEST(Presets, ulmfit) {
  const ThawRecipe thaw = of("ulmfit", 3);
  EXPECT_EQ(course(thaw), (std::vector<std::pair<double, Words>>{
                              {1, {"head"}}, {1, {"head", "top 1"}}, {1, {"head", "top 2"}}, {1, {"head", "top 3"}}, {46, {"all"}}}));
  expect_near(factors(thaw, 3), {1 / 45.6976, 1 / 17.576, 1 / 6.76, 1 / 2.6, 1});
  for (std::size_t i = 0; i < thaw.phases.size(); ++i) {
    const PhaseRecipe& phase = thaw.phases[i];
    EXPECT_FALSE(phase.lr) << "optimizer.lr";
    EXPECT_TRUE(phase.restart);
    EXPECT_EQ(phase.fresh_moments, i > 0);
    // 20 steps: cut at 2; (1 + p·31) / 32 with p = 0, 1/2, 1, 17/18, …, 1/18
    const std::vector<double> rates = curve(phase, 20);
    expect_near({rates[0], rates[1], rates[2], rates[3], rates[19]},
                {1.0 / 32, 16.5 / 32, 1, (1 + 31 * 17.0 / 18) / 32, (1 + 31 / 18.0) / 32});
  }
  EXPECT_EQ(of("ulmfit", 12).phases.size(), 14u);
  EXPECT_EQ(of("ulmfit", 12).phases.back().until.epochs, 37);
  EXPECT_EQ(of("ulmfit", 60).phases.back().until.epochs, 1) << "a model with more layers than epochs";
}

TEST(Presets, allennlp) {
  const ThawRecipe thaw = of("allennlp", 3);
  EXPECT_EQ(course(thaw), (std::vector<std::pair<double, Words>>{
                              {1, {"head"}}, {1, {"head", "top 1"}}, {1, {"head", "top 2"}}, {1, {"head", "top 3"}}, {16, {"all"}}}));
  expect_near(factors(thaw, 3), {0.02085136, 0.054872, 0.1444, 0.38, 1});
  for (const PhaseRecipe& phase : thaw.phases) {
    EXPECT_FALSE(phase.fresh_moments);
    EXPECT_EQ(phase.schedule->name, ScheduleKind::slanted_triangular);
    EXPECT_EQ(phase.schedule->cut_frac, 0.1);
    EXPECT_EQ(phase.schedule->ratio, 32);
  }
}

TEST(Presets, fastai) {
  for (const auto& [overrides, base] : {std::pair<std::vector<std::string>, double>{{}, 2e-3}, {{"optimizer.lr=5e-5"}, 5e-5}}) {
    const Recipe recipe = expanded("fastai", 3, overrides);
    EXPECT_EQ(recipe.optimizer.lr, base);
    const ThawRecipe& thaw = recipe.thaw;
    EXPECT_EQ(course(thaw), (std::vector<std::pair<double, Words>>{{1, {"head"}}, {4, {"all"}}}));
    EXPECT_EQ(thaw.phases[0].lr, base);
    EXPECT_EQ(thaw.phases[1].lr, base / 2);
    // np.geomspace(0.01, 1, 5)
    expect_near(factors(thaw, 3), {0.01, 0.03162277660168379, 0.1, 0.31622776601683794, 1});
    EXPECT_FALSE(thaw.phases[0].fresh_moments);
    EXPECT_TRUE(thaw.phases[1].fresh_moments);
    EXPECT_FALSE(thaw.phases[1].restore_best);
    // Cosine from 1/25 to 1 over 99 of 100 steps, then to 1e-5; from 1/5 over 30 of 100.
    const std::vector<double> frozen = curve(thaw.phases[0], 100), all = curve(thaw.phases[1], 100);
    expect_near({frozen[0], frozen[99], all[0], all[15], all[30], all[65]}, {0.04, 1, 0.2, 0.6, 1, 0.500005});
  }
}

TEST(Presets, lp_ft) {
  const ThawRecipe thaw = of("lp_ft", 3);
  EXPECT_EQ(course(thaw), (std::vector<std::pair<double, Words>>{{20, {"head"}}, {20, {"all"}}}));
  EXPECT_EQ(thaw.layer_decay, LayerDecay());
  EXPECT_EQ(thaw.phases[0].until.patience, 3);
  EXPECT_EQ(thaw.phases[0].lr, 1e-3);
  EXPECT_EQ(thaw.phases[0].schedule->name, ScheduleKind::constant);
  EXPECT_FALSE(thaw.phases[1].lr);
  EXPECT_TRUE(thaw.phases[1].restore_best && thaw.phases[1].fresh_moments);
  expect_near({curve(thaw.phases[1], 20)[0], curve(thaw.phases[1], 20)[10]}, {1, 0.5});
}

TEST(Presets, freeze_feature_encoder) {
  const ThawRecipe thaw = of("freeze_feature_encoder", 3);
  EXPECT_EQ(course(thaw), (std::vector<std::pair<double, Words>>{{15, {"all", "not feature_extractor"}}}));
  EXPECT_FALSE(thaw.phases[0].lr);
  EXPECT_FALSE(thaw.phases[0].restart) << "the run's schedule";
  ModelNames whisper = numbered_blocks(3);
  whisper.convolutions = "encoder.conv";
  EXPECT_EQ(course(preset("freeze_feature_encoder", whisper, 1e-3)),
            (std::vector<std::pair<double, Words>>{{15, {"all", "not encoder.conv"}}}));
}

TEST(Presets, freeze_n_steps) {
  const ThawRecipe thaw = of("freeze_n_steps", 3);
  ASSERT_EQ(thaw.phases.size(), 2u);
  EXPECT_EQ(thaw.phases[0].trainable, Words{"head"});
  EXPECT_EQ(thaw.phases[1].trainable, Words{"all"});
  EXPECT_EQ(thaw.phases[0].until.steps, 500);
  EXPECT_EQ(thaw.phases[1].until.epochs, 3);
  EXPECT_FALSE(thaw.phases[0].until.epochs || thaw.phases[1].until.steps);
  for (const PhaseRecipe& phase : thaw.phases)
    EXPECT_FALSE(phase.restart || phase.schedule || phase.lr || phase.fresh_moments) << "the run's own schedule goes on";
  EXPECT_EQ(expanded("freeze_n_steps", 3, {"thaw.layer_decay={convention: electra}"}).thaw.layer_decay.convention, Convention::electra);
}

TEST(Presets, chain_thaw) {
  const Recipe recipe = expanded("chain_thaw", 2);
  EXPECT_EQ(recipe.optimizer.lr, 1e-4);
  const std::vector<PhaseRecipe>& phases = recipe.thaw.phases;
  EXPECT_EQ(course(recipe.thaw),
            (std::vector<std::pair<double, Words>>{
                {1000, {"head"}}, {1000, {"embeddings"}}, {1000, {"encoder.layer.0"}}, {1000, {"encoder.layer.1"}}, {1000, {"all"}}}));
  for (std::size_t i = 0; i < phases.size(); ++i) {
    EXPECT_NEAR(phases[i].lr.value(), i == 0 ? 1e-3 : 1e-4, 1e-18);
    EXPECT_EQ(phases[i].until.patience, 5);
    EXPECT_EQ(phases[i].schedule->name, ScheduleKind::constant);
    EXPECT_EQ(phases[i].restore_best, i > 0);
    EXPECT_EQ(phases[i].fresh_moments, i > 0);
  }
}

TEST(Presets, resolved_recipe_holds_plain_phases_that_read_back) {
  for (const Preset& preset : presets())
    for (const int blocks : {0, 1, 2, 12}) {
      const Recipe recipe = expanded(preset.name, blocks);
      const std::string written = to_yaml(recipe);
      EXPECT_EQ(written.find("preset"), std::string::npos);
      const Recipe again = parse_recipe("r.yaml", written);
      EXPECT_EQ(again, recipe) << written;
      EXPECT_TRUE(differences(recipe, again).empty());

      // Pasted as `thaw recipes show` prints it.
      YamlNode root = YamlNode::map();
      root.add("thaw", as_yaml(recipe.thaw));
      const Recipe pasted = parse_recipe("r.yaml", test::least_recipe + write_yaml(root));
      EXPECT_EQ(pasted.thaw, recipe.thaw) << write_yaml(root);
    }
  const Recipe before = parse_recipe("r.yaml", test::least_recipe + "thaw: {preset: fastai}\n");
  EXPECT_EQ(parse_recipe("r.yaml", to_yaml(before)), before);
}

std::string refusal(const std::string& lines, const std::vector<std::string>& overrides = {}) {
  try {
    parse_recipe("r.yaml", test::least_recipe + lines + "\n", overrides);
  } catch (const RecipeError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Presets, refusals_name_file_and_line) {
  EXPECT_EQ(refusal("thaw: {preset: ulmfitt}"),
            "r.yaml:6: thaw.preset: expected one of ulmfit, allennlp, fastai, lp_ft, freeze_feature_encoder, freeze_n_steps, chain_thaw, "
            "found ulmfitt; "
            "the nearest "
            "is ulmfit");
  EXPECT_EQ(refusal("thaw: {preset: }"), "r.yaml:6: thaw.preset: expected text, found nothing");
  EXPECT_EQ(refusal("epochs: 3\nthaw: {preset: ulmfit}"),
            "r.yaml:6: epochs: given beside thaw.preset, whose sum is the run's length; leave it out");
  EXPECT_EQ(refusal("thaw: {preset: ulmfit}\nsteps: 3"),
            "r.yaml:7: steps: given beside thaw.preset, whose sum is the run's length; leave it out");
  EXPECT_EQ(refusal("thaw: {preset: ulmfit}", {"epochs=3"}),
            "command line: epochs: given beside thaw.preset, whose sum is the run's length; leave it out");
  EXPECT_EQ(refusal("epochs: 3", {"thaw.preset=ulmfit"}), "no error") << "the command line counts";
  EXPECT_EQ(refusal("thaw:\n  preset: ulmfit\n  phases:\n    - {trainable: all, until: {epochs: 1}}"),
            "r.yaml:8: thaw.phases: given beside thaw.preset: ulmfit; keep one of them (`thaw recipes show ulmfit` prints its phases)");
  EXPECT_EQ(refusal("thaw:\n  preset: fastai\n  layer_decay: {convention: sun}"),
            "r.yaml:8: thaw.layer_decay: given beside thaw.preset: fastai, which has its own; leave it out");
  EXPECT_EQ(refusal("thaw:\n  preset: lp_ft\n  rates: {all: 1e-5}"),
            "r.yaml:8: thaw.rates: given beside thaw.preset: lp_ft, whose phases have their own; leave it out");
  EXPECT_EQ(refusal("thaw: {preset: chain_thaw}", {"data.eval=null"}),
            "r.yaml:6: thaw.preset: chain_thaw ends its phases by what is measured; add data.eval");
  EXPECT_EQ(refusal("thaw: {presets: fastai}"), "r.yaml:6: thaw.presets: unknown key; the nearest key is thaw.preset");
}

}  // namespace
}  // namespace thaw
