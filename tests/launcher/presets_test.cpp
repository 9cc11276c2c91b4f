// Published ways of thawing, through the program: each trains to its end, and what `thaw recipes show` prints is the same run.
#include <gtest/gtest.h>

#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

class Presets : public ::testing::TestWithParam<const char*> {
 protected:
  Workshop shop;

  // recipe.yaml without its length, with more lines; named NAME.yaml.
  void recipe(const std::string& name, const std::string& lines) const {
    std::string text = shop.file("recipe.yaml");
    const std::string length = "epochs: 2\n";
    text.erase(text.find(length), length.size());
    shop.write(name + ".yaml", text + lines);
  }
  Ran train(const std::string& name, const std::string& overrides = "") const {
    return thaw("train " + shop.path(name + ".yaml") + " output_dir=" + shop.path(name) + " data.cache_dir=" + shop.path("cache") + " " +
                overrides);
  }
};

TEST_P(Presets, trains_to_its_end) {
  const std::string name = GetParam();
  recipe("run", "thaw: {preset: " + name + "}\n");
  // 90 rows are 2 steps an epoch; of 253 epochs not each is worth a look.
  const std::string quick = std::string("batch.size=48 batch.grain=48 checkpoint.every_steps=1000") +
                            (name == "freeze_n_steps" ? " evaluate.every_steps=100" : "");
  const Ran ran = train("run", quick);
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json result = Json::parse(shop.file("run/result.json"));
  const Json shown = Json::parse(thaw("recipes show " + name + " --layers 2 --lr 1e-3 --json").output);
  EXPECT_EQ(result["stopped_by"], "");
  ASSERT_EQ(result["phases"].size(), shown["thaw"]["phases"].size());
  std::int64_t steps = 0;
  for (std::size_t i = 0; i < result["phases"].size(); ++i) {
    const Json &ended = result["phases"][i], &phase = shown["thaw"]["phases"][i];
    EXPECT_EQ(ended["trainable"], phase["trainable"]);
    steps += ended["steps"].get<std::int64_t>();
    const Json& until = phase["until"];
    if (ended["ended_by"] == "patience") continue;
    if (until.contains("steps")) EXPECT_EQ(ended["steps"], until["steps"]);
    else EXPECT_EQ(ended["steps"].get<double>(), 2 * until["epochs"].get<double>());
  }
  EXPECT_EQ(result["steps"], steps);
  EXPECT_EQ(shop.file("run/recipe.yaml").find("preset"), std::string::npos);

  const Ran again = train("run", quick);
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_NE(again.output.find("this run is finished"), std::string::npos) << again.output;
}

TEST_P(Presets, pasted_is_the_same_recipe) {
  const std::string name = GetParam();
  recipe("named", "thaw: {preset: " + name + "}\n");
  recipe("pasted", thaw("recipes show " + name + " --lr 1e-3 --model " + shop.path("model")).output);
  // Stopped after its first steps: the resolved recipe is written before them.
  for (const char* run : {"named", "pasted"}) EXPECT_NE(train(run, "max_time=1s batch.size=48 batch.grain=48").exit_code, 65);
  std::string named = shop.file("named/recipe.yaml"), pasted = shop.file("pasted/recipe.yaml");
  pasted.replace(pasted.find(shop.path("pasted")), shop.path("pasted").size(), shop.path("named"));
  EXPECT_EQ(named, pasted);
  EXPECT_NE(named.find("phases:"), std::string::npos) << named;
}

INSTANTIATE_TEST_SUITE_P(each, Presets, ::testing::Values("ulmfit", "allennlp", "fastai", "lp_ft", "freeze_n_steps", "chain_thaw"),
                         [](const auto& each) { return std::string(each.param); });

class Recipes : public ::testing::Test {
 protected:
  Workshop shop;
};

// The first phase never gets better, so patience ends it two epochs early: the next one takes those too, and the schedule
// is where the run is.
TEST_F(Recipes, fine_tuning_scheduler_file_trains) {
  shop.write("schedule.yaml",
             "0:\n  params: [model.classifier.*]\n  max_transition_epoch: 4\n"
             "1:\n  params: [model.bert.*]\n  max_transition_epoch: 5\n  lr: 3.0e-3\n");
  const std::string overrides =
      "optimizer.lr=1e-12 evaluate.metric=dev/loss evaluate.patience=2 thaw.fts_schedule=" + shop.path("schedule.yaml");
  const Ran ran = thaw(shop.train("run", overrides), 2);
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json phases = Json::parse(shop.file("run/result.json"))["phases"];
  ASSERT_EQ(phases.size(), 2u);
  EXPECT_EQ(phases[0]["ended_by"], "patience");
  EXPECT_EQ(phases[0]["steps"], 18) << "6 steps an epoch";
  EXPECT_EQ(phases[1]["steps"], 12) << ran.output;
  const std::vector<Json> log = shop.log("run");
  // Linear over 5 epochs, after 3 steps of warm-up.
  EXPECT_NEAR(log[17]["lr"].get<double>(), 1e-12 * 13 / 27, 1e-18);
  EXPECT_NEAR(log[18]["lr"].get<double>(), 3e-3 * 12 / 27, 1e-9);
  EXPECT_NEAR(log[29]["lr"].get<double>(), 3e-3 * 1 / 27, 1e-9);
  EXPECT_EQ(shop.file("run/recipe.yaml").find("fts_schedule"), std::string::npos);

  // Stopped again and again, it ends with the same weights.
  int stops = 0, code = 75;
  for (; code == 75 && stops < 40; ++stops) code = thaw(shop.train("cut", overrides + " max_time=0.1s"), 2).exit_code;
  EXPECT_EQ(code, 0);
  EXPECT_GT(stops, 1);
  EXPECT_EQ(shop.file("run/best/model.safetensors"), shop.file("cut/best/model.safetensors"));

  shop.write("schedule.yaml", "0:\n  params: [model.clasifier.*]\n");
  const Ran refused = thaw(shop.train("other", overrides), 2);
  EXPECT_EQ(refused.exit_code, 65);
  EXPECT_NE(refused.output.find("schedule.yaml:2: 0.params[0]: 'model.clasifier.*' matches no parameter"), std::string::npos)
      << refused.output;
}

TEST_F(Recipes, lists_and_shows) {
  const Ran listed = thaw("recipes");
  EXPECT_EQ(listed.exit_code, 0);
  const Json all = Json::parse(thaw("recipes --json").output);
  EXPECT_EQ(all.size(), 7u);
  for (const Json& preset : all) EXPECT_NE(listed.output.find(preset["name"].get<std::string>()), std::string::npos);
  const Ran shown = thaw("recipes show fastai --model " + shop.path("model"));
  EXPECT_EQ(shown.exit_code, 0);
  for (const char* text : {"model, 2 layers", "\n# fastai 2's Learner.fine_tune", "\nthaw:\n", "optimizer.lr: 0.002", "lr: 0.001"})
    EXPECT_NE(shown.output.find(text), std::string::npos) << text << "\n" << shown.output;
  EXPECT_NE(thaw("recipes --help").output.find("Example:"), std::string::npos);
}

TEST_F(Recipes, refusals) {
  Ran ran = thaw("recipes show ulmfitt");
  EXPECT_EQ(ran.exit_code, 64);
  EXPECT_NE(ran.output.find("the nearest is ulmfit"), std::string::npos) << ran.output;
  EXPECT_EQ(thaw("recipes show ulmfit --layers 0").exit_code, 64);
  EXPECT_EQ(thaw("recipes show ulmfit --layers 2 --model " + shop.path("model")).exit_code, 64);
  EXPECT_EQ(thaw("recipes show ulmfit --model " + shop.path("nowhere")).exit_code, 66);
  ran = thaw(shop.train("run", "epochs=3 thaw.preset=ulmfit"));
  EXPECT_EQ(ran.exit_code, 65);
  EXPECT_NE(ran.output.find("epochs: given beside thaw.preset"), std::string::npos) << ran.output;
}

}  // namespace
}  // namespace thaw::test
