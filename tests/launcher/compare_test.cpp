// What would be lost: a table whose mean is not the runs', or that hides a run which is not finished.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "framework/base/file.h"
#include "framework/base/text.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

class Compare : public ::testing::Test {
 protected:
  const Workshop shop;

  // A run as train leaves it, without the training.
  void run(const std::string& name, const std::string& changes, double value, const std::string& state = "done") const {
    fs::create_directories(shop.path(name));
    shop.write(name + "/recipe.yaml", shop.file("recipe.yaml") + changes);
    shop.write(name + "/status.json", Json{{"state", state}, {"step", 7}, {"message", "signal 12"}}.dump());
    if (state == "done")
      shop.write(name + "/result.json", Json{{"metric", "dev/accuracy"},
                                             {"value", value},
                                             {"seed", 1},
                                             {"metrics", {{"dev/accuracy", value - 0.01}, {"dev/loss", 1 - value}}}}
                                            .dump());
  }
  Json compared(const std::string& arguments) const {
    const Ran ran = thaw("compare --json " + arguments);
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return Json::parse(ran.output);
  }
  std::string paths(const std::string& names) const {
    std::string out;
    for (const std::string& name : split(names, ' ')) out += shop.path(name) + " ";
    return out;
  }
};

// Numbers by Python's statistics.mean and statistics.stdev.
TEST_F(Compare, MeanAndDeviationOfEachSetting) {
  const double values[] = {0.81, 0.86, 0.84, 0.9, 0.7};
  for (int i = 0; i < 3; ++i) run(fmt::format("a{}", i), fmt::format("seed: {}\ndropout: 0.1\n", i), values[i]);
  for (int i = 3; i < 5; ++i) run(fmt::format("b{}", i), fmt::format("seed: {}\ndropout: 0.2\ncheckpoint: {{keep: 3}}\n", i), values[i]);
  const Json report = compared(paths("a0 a1 a2 b3 b4"));
  EXPECT_EQ(report["metric"], "dev/accuracy");
  ASSERT_EQ(report["groups"].size(), 2U) << report;
  const Json &first = report["groups"][0], &second = report["groups"][1];  // best mean first
  EXPECT_EQ(first["settings"], (Json{{"dropout", "0.1"}})) << "seeds and how often to save are no settings";
  EXPECT_EQ(first["n"], 3);
  EXPECT_NEAR(first["mean"].get<double>(), 0.8366666666666667, 1e-12);
  EXPECT_NEAR(first["std"].get<double>(), 0.025166114784235823, 1e-12);
  EXPECT_EQ(first["best"]["run"], shop.path("a1"));
  EXPECT_NEAR(second["mean"].get<double>(), 0.8, 1e-12);
  EXPECT_NEAR(second["std"].get<double>(), 0.14142135623730953, 1e-12);
}

TEST_F(Compare, OfALossTheSmallestIsBest) {
  run("a", "seed: 1\n", 0.8);
  run("b", "seed: 2\n", 0.9);
  const Json report = compared("--metric dev/loss " + paths("a b"));
  EXPECT_EQ(report["groups"][0]["best"]["run"], shop.path("b"));
  EXPECT_NEAR(report["groups"][0]["mean"].get<double>(), 0.15, 1e-12);
}

TEST_F(Compare, OneRunHasNoDeviation) {
  run("a", "", 0.8);
  const Json report = compared(paths("a a"));
  EXPECT_EQ(report["groups"][0]["n"], 1) << "named twice, it is one run still";
  EXPECT_TRUE(report["groups"][0]["std"].is_null());
}

TEST_F(Compare, UnfinishedRunsAreNamed) {
  run("a", "", 0.8);
  run("b", "", 0, "stopped");
  fs::create_directories(shop.path("c"));
  shop.write("c/recipe.yaml", shop.file("recipe.yaml"));
  const Json report = compared(paths("a b c"));
  EXPECT_EQ(report["groups"][0]["n"], 1);
  ASSERT_EQ(report["unfinished"].size(), 2U);
  EXPECT_EQ(report["unfinished"][0]["state"], "stopped");
  const std::string text = thaw("compare " + paths("a b c")).output;
  EXPECT_NE(text.find("b: stopped at step 7 (signal 12)"), std::string::npos) << text;
  EXPECT_NE(text.find("c: not begun"), std::string::npos) << text;
  EXPECT_NE(text.find("0.8000"), std::string::npos) << text;
}

TEST_F(Compare, WhatIsNoRunIsRefused) {
  const auto expect = [&](const std::string& arguments, int code, const std::string& phrase) {
    const Ran ran = thaw("compare " + arguments);
    EXPECT_EQ(ran.exit_code, code) << ran.output;
    EXPECT_NE(ran.output.find(phrase), std::string::npos) << ran.output;
  };
  run("a", "", 0.8);
  expect(shop.path("gone"), 66, "there is none");
  expect(shop.path("model"), 66, "no recipe.yaml");
  expect("--metric dev/bleu " + shop.path("a"), 65, "dev/accuracy, dev/loss");
  shop.write("a/result.json", "{\"metric\": null, \"value\": null}");
  expect(shop.path("a"), 64, "--metric");
  shop.write("a/result.json", "{\"metric\": 1");
  expect(shop.path("a"), 65, "result.json");
}

}  // namespace
}  // namespace thaw::test
