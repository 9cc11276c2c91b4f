// What would be lost: a sweep that trains something else than was written, or two runs in one directory.
#include <gtest/gtest.h>

#include <functional>

#include "framework/base/error.h"
#include "launcher/slurm/sweep.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

std::string refusal(const std::function<void()>& work, ExitCode code) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(Sweep, AxesInEveryForm) {
  const SweepAxis lr = parse_axis("lr=1e-5,2e-5");
  EXPECT_EQ(lr.key, "optimizer.lr");
  EXPECT_EQ(lr.values, (std::vector<std::string>{"1e-5", "2e-5"}));
  EXPECT_EQ(parse_axis("seed=1..3,7").values, (std::vector<std::string>{"1", "2", "3", "7"}));
  EXPECT_EQ(parse_axis("optimizer.betas=[0.9,0.98],[0.9,0.999]").values, (std::vector<std::string>{"[0.9,0.98]", "[0.9,0.999]"}));
  EXPECT_EQ(parse_axis("data.labels=[\"a,]\",b],[c]").values.size(), 2U);
  EXPECT_EQ(parse_axis("data.train=../a,../b").values, (std::vector<std::string>{"../a", "../b"}));
  EXPECT_EQ(parse_axis("dropout=0.1").key, "dropout");
  EXPECT_EQ(parse_axis("weight_decay=0,0.1").key, "optimizer.weight_decay");
}

TEST(Sweep, WhatIsNoAxisIsRefused) {
  for (const char* text : {"lr", "lr=", "=1", "lr=1,,2", "lr=1,1", "seed=3..1", "seed=1..x", "seed=0..99999999"})
    refusal([&] { parse_axis(text); }, ExitCode::usage);
  const std::string several = refusal([] { parse_axis("name=a"); }, ExitCode::usage);
  EXPECT_NE(several.find("optimizer.name"), std::string::npos) << several;
}

TEST(Sweep, EveryCombinationOnceInItsOwnDirectory) {
  const Workshop shop;
  const std::vector<std::string> where{"output_dir=runs/reviews-{seed}"};
  const auto runs = plan_sweep(shop.path("recipe.yaml"), where, {parse_axis("lr=1e-5,2e-5"), parse_axis("seed=1..2")});
  ASSERT_EQ(runs.size(), 4U);
  const std::vector<std::string> places{"runs/reviews-1-lr=1e-5", "runs/reviews-2-lr=1e-5", "runs/reviews-1-lr=2e-5",
                                        "runs/reviews-2-lr=2e-5"};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    EXPECT_EQ(runs[i].output_dir, places[i]);
    std::vector<std::string> overrides = where;
    overrides.insert(overrides.end(), runs[i].overrides.begin(), runs[i].overrides.end());
    const Recipe recipe = read_recipe(shop.path("recipe.yaml"), overrides);
    EXPECT_EQ(recipe.output_dir, places[i]);
    EXPECT_EQ(recipe.seed, i % 2 + 1);
    EXPECT_EQ(recipe.optimizer.lr, i < 2 ? 1e-5 : 2e-5);
  }
}

TEST(Sweep, DirectoriesDifferWhateverTheValuesLookLike) {
  const Workshop shop;
  const auto by_seed = plan_sweep(shop.path("recipe.yaml"), {"output_dir=runs/x"}, {parse_axis("seed=1..2")});
  EXPECT_EQ(by_seed[1].output_dir, "runs/x-seed=2");
  const auto quoted = plan_sweep(shop.path("recipe.yaml"), {"output_dir=runs/x"}, {parse_axis("data.train='a b','a/b'")});
  EXPECT_NE(quoted[0].output_dir, quoted[1].output_dir);
  for (const SweptRun& run : quoted) EXPECT_EQ(run.output_dir.find_first_of(" '/", 5), std::string::npos) << run.output_dir;
  const auto named = plan_sweep(shop.path("recipe.yaml"), {}, {parse_axis("output_dir=runs/a,runs/b")});
  EXPECT_EQ(named[1].output_dir, "runs/b");
}

TEST(Sweep, WhatTheRecipeRefusesIsRefusedForEveryRun) {
  const Workshop shop;
  const std::string unknown =
      refusal([&] { plan_sweep(shop.path("recipe.yaml"), {}, {parse_axis("learning_rate=1,2")}); }, ExitCode::bad_data);
  EXPECT_NE(unknown.find("optimizer.lr"), std::string::npos) << unknown;
  refusal([&] { plan_sweep(shop.path("recipe.yaml"), {}, {parse_axis("lr=1e-5,-1")}); }, ExitCode::bad_data);
  refusal([&] { plan_sweep(shop.path("recipe.yaml"), {}, {parse_axis("seed=1"), parse_axis("seed=2")}); }, ExitCode::usage);
}

}  // namespace
}  // namespace thaw::test
