// Runs in phases that are killed or stopped at any step go on to the same bits: weights, moments, and where they stand.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "framework/base/file.h"
#include "framework/train/checkpoint.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

// Steps of 32 of 90 rows: three an epoch. Phases end within epochs and at their ends.
// The head learns, sleeps twice and learns again. The third phase does harm, so that the fourth has a best model to go back to.
const std::string chain = R"(
evaluate: {every_steps: 2, metric: dev/loss}
thaw:
  layer_decay: {convention: sun}
  phases:
    - {trainable: head, until: {steps: 2}, lr: 3.0e-03}
    - {trainable: encoder.layer.0, until: {epochs: 1}}
    - {trainable: encoder.layer.1, until: {rows: 60}, lr: 3.0e-01, schedule: restart}
    - {trainable: all, until: {epochs: 1.5}, restore_best: true}
)";
constexpr std::int64_t chain_steps = 13;

// The first phase learns next to nothing, so that its patience ends it; the second is content with its first evaluation.
const std::string open_ended = R"(
evaluate: {every_steps: 2}
thaw:
  phases:
    - {trainable: head, until: {epochs: 5, patience: 2}, lr: 1.0e-12}
    - {trainable: [head, top 1], until: {steps: 9, dev/loss: 100}, lr: 3.0e-03, schedule: restart}
    - trainable: all
      until: {epochs: 1.4, patience: 5}
      schedule: {name: one_cycle}
      moments: fresh
      restore_best: true
      reinitialise_top: 1
)";
constexpr std::int64_t open_ended_steps = 13;

// What was measured differs between runs: times, memory, and what an activation cache that begins empty could spare.
Json without_times(Json json) {
  for (const char* key :
       {"train_s", "saves", "saving_s", "rows_per_s", "tokens_per_s", "wall_s", "startup_s", "first_step_at", "peak_memory_bytes", "cache_hits", "cache_misses"})
    if (json.is_object()) json.erase(key);
  if (json.is_structured())
    for (Json& inner : json) inner = without_times(inner);
  return json;
}

class Resume : public ::testing::Test {
 protected:
  const Workshop shop;

  void write_recipe(const std::string& phases) const {
    shop.write("phases.yaml", fmt::format(R"(recipe: 1
task: text-classification
model: {0}/model
output_dir: {0}/run
data: {{train: {0}/train.tsv, eval: {0}/dev.tsv, cache_dir: {0}/cache, max_length: 32}}
batch: {{size: 32, grain: 8}}
optimizer: {{lr: 1.0e-03}}
schedule: {{name: linear, warmup_ratio: 0.2}}
checkpoint: {{every_steps: 1, keep: 1000}}{1})",
                                          shop.path(), phases));
  }
  std::string command(const std::string& run, const std::string& overrides = "") const {
    return fmt::format("train {} output_dir={} {}", shop.path("phases.yaml"), shop.path(run), overrides);
  }
  void whole(const std::string& phases, std::int64_t steps, int ranks = 1) const {
    write_recipe(phases);
    const Ran ran = thaw(command("whole"), ranks);
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
    ASSERT_EQ(Json::parse(shop.file("whole/result.json"))["steps"], steps);
  }
  fs::path checkpoint(const std::string& run, std::int64_t step) const { return shop.path(run + "/checkpoints/" + checkpoint_name(step)); }

  // What a kill leaves right after the checkpoint of that step, and lines of the log beyond it.
  void killed_after(std::int64_t step, const std::string& run) const {
    fs::create_directories(shop.path(run + "/checkpoints"));
    for (const char* file : {"/recipe.yaml", "/log.jsonl"}) fs::copy(shop.path("whole") + file, shop.path(run) + file);
    for (std::int64_t done = 1; done <= step; ++done) fs::copy(checkpoint("whole", done), checkpoint(run, done));
  }

  void expect_same_checkpoint(const std::string& run, std::int64_t step) const {
    const State a = load_checkpoint(checkpoint("whole", step)), b = load_checkpoint(checkpoint(run, step));
    EXPECT_EQ(without_times(a.values), without_times(b.values)) << run << " step " << step;
    ASSERT_EQ(a.tensors.size(), b.tensors.size()) << run << " step " << step;
    for (const auto& [name, tensor] : a.tensors)
      EXPECT_TRUE(at::equal(tensor, b.tensors.at(name))) << run << " step " << step << " " << name;
  }
  void expect_same_end(const std::string& run) const {
    EXPECT_EQ(without_times(Json::parse(shop.file(run + "/result.json"))), without_times(Json::parse(shop.file("whole/result.json"))))
        << run;
    const auto a = shop.log("whole"), b = shop.log(run);
    ASSERT_EQ(a.size(), b.size()) << run;
    for (std::size_t i = 0; i < a.size(); ++i)
      for (const char* key : {"step", "epoch", "phase", "loss", "lr", "grad_norm", "rows", "comm_bytes"})
        EXPECT_EQ(a[i][key], b[i][key]) << run << i;
  }
  void expect_resumes_after_every_step(std::int64_t steps) const {
    for (std::int64_t step = 1; step <= steps; ++step) {
      const std::string run = fmt::format("after{}", step);
      killed_after(step, run);
      const Ran ran = thaw(command(run));
      ASSERT_EQ(ran.exit_code, 0) << "killed after step " << step << "\n" << ran.output;
      for (std::int64_t later = step + 1; later <= steps; ++later) expect_same_checkpoint(run, later);
      expect_same_end(run);
    }
  }

  // Goes on from a checkpoint that `edit` has changed; whether the weights at the end differ, or it was refused.
  bool ends_elsewhere(std::int64_t step, std::int64_t steps, const std::string& run, const std::function<void(State&)>& edit) const {
    killed_after(step, run);
    State state = load_checkpoint(checkpoint(run, step));
    for (auto& [name, tensor] : state.tensors) tensor = tensor.clone();
    edit(state);
    save_checkpoint(shop.path(run), step, state, 1000);
    if (thaw(command(run)).exit_code != 0) return true;
    const FoundCheckpoint last = newest_checkpoint(shop.path(run));
    const State a = load_checkpoint(checkpoint("whole", steps)), b = load_checkpoint(*last.path);
    for (const auto& [name, tensor] : a.tensors)
      if (name.starts_with("model/") && !at::equal(tensor, b.tensors.at(name))) return true;
    return false;
  }
};

TEST_F(Resume, SleepersWakeWithTheirMomentsAfterAKillAtAnyStep) {
  whole(chain, chain_steps);
  const State asleep = load_checkpoint(checkpoint("whole", 4));
  EXPECT_EQ(asleep.values["kept"]["steps"]["classifier.weight"], 2);
  EXPECT_FALSE(asleep.tensors.contains("optimizer/m/classifier.weight"));
  const State restored = load_checkpoint(checkpoint("whole", 8));
  const std::int64_t best = restored.values["best"]["step"];
  EXPECT_EQ(best, 5);
  for (const auto& [name, tensor] : load_checkpoint(checkpoint("whole", best)).tensors) {
    EXPECT_TRUE(!name.starts_with("model/") || at::equal(tensor, restored.tensors.at(name))) << name;
  }
  expect_resumes_after_every_step(chain_steps);
}

TEST_F(Resume, PatienceMetricsAndFreshHeadsAfterAKillAtAnyStep) {
  whole(open_ended, open_ended_steps);
  const Json phases = Json::parse(shop.file("whole/result.json"))["phases"];
  EXPECT_EQ(phases[0]["ended_by"], "patience");
  EXPECT_EQ(phases[1]["ended_by"], "dev/loss");
  EXPECT_EQ(phases[2]["ended_by"], "epochs");
  expect_resumes_after_every_step(open_ended_steps);
}

// Activations that an earlier phase kept for this one are gone after a kill; the rows have the same bits nevertheless.
TEST_F(Resume, ActivationsOfEarlierPhasesAreMadeAgainAsTheyWere) {
  whole(R"(
thaw:
  phases:
    - {trainable: head, until: {epochs: 2}, lr: 1.0e-02}
    - {trainable: [head, top 1], until: {epochs: 1}}
    - {trainable: [head], until: {epochs: 1}}
)",
        12);
  const Json phases = Json::parse(shop.file("whole/result.json"))["phases"];
  EXPECT_GT(phases[1]["cache_hits"], 0);
  EXPECT_EQ(phases[2]["cache_hits"], 0);
  expect_resumes_after_every_step(12);
}

// The same where the head's only pass leaves what the next phase reads, many rows at once.
TEST_F(Resume, ActivationsLeftOnTheWayAreMadeAgainAsTheyWere) {
  whole(R"(
precision: bf16
thaw:
  phases:
    - {trainable: head, until: {epochs: 1}, lr: 1.0e-02}
    - {trainable: [head, top 1], until: {epochs: 1}}
    - {trainable: all, until: {epochs: 1}}
)",
        9);
  const Json phases = Json::parse(shop.file("whole/result.json"))["phases"];
  EXPECT_GT(phases[1]["cache_hits"], 0);
  EXPECT_EQ(phases[1]["cache_misses"], 0);
  expect_resumes_after_every_step(9);
}

// A kill between the last checkpoint and the result: the run had had enough, and has no step more.
TEST_F(Resume, EarlyStoppingAfterAKillAtAnyStep) {
  whole(R"(
evaluate: {every_steps: 1, patience: 2}
thaw:
  phases:
    - {trainable: head, until: {steps: 1}, lr: 1.0e-12}
    - {trainable: [head, top 1], until: {steps: 20}, lr: 1.0e-12}
)",
        3);
  EXPECT_EQ(Json::parse(shop.file("whole/result.json"))["stopped_by"], "early stopping");
  expect_resumes_after_every_step(3);
}

// A time limit that lets one step pass, again and again, on two ranks.
TEST_F(Resume, StoppedAfterEveryStep) {
  whole(chain, chain_steps, 2);
  int stops = 0;
  for (int exit_code = 75; exit_code == 75 && stops <= 3 * chain_steps; ++stops) {
    const Ran ran = thaw(command("parts", "max_time=0.001s"), 2);
    exit_code = ran.exit_code;
    ASSERT_TRUE(exit_code == 75 || exit_code == 0) << ran.output;
  }
  EXPECT_GE(stops, chain_steps);  // one after every step, and one in each evaluation
  for (std::int64_t step = 1; step <= chain_steps; ++step) expect_same_checkpoint("parts", step);
  expect_same_end("parts");
  EXPECT_EQ(shop.file("parts/best/model.safetensors"), shop.file("whole/best/model.safetensors"));
}

// SIGKILL to all ranks as soon as a checkpoint of, before and after a phase's last step is there.
TEST_F(Resume, KilledNearTheEndOfAPhase) {
  whole(chain, chain_steps, 2);
  for (const std::int64_t step : {1, 2, 5, 7}) {
    const std::string run = fmt::format("killed{}", step);
    {
      Background job(thaw_command(command(run), 2));
      EXPECT_TRUE(wait_until([&] { return fs::exists(checkpoint(run, step)); }));
      job.kill(SIGKILL);
    }
    const Ran ran = thaw(command(run), 2);
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
    expect_same_checkpoint(run, chain_steps);
    expect_same_end(run);
    EXPECT_EQ(shop.file(run + "/best/model.safetensors"), shop.file("whole/best/model.safetensors"));
  }
}

// The control: each part of what a checkpoint says of its phase is needed.
TEST_F(Resume, WhatACheckpointLosesShows) {
  whole(chain, chain_steps);
  const auto lose = [&](std::int64_t step, const std::string& what, const std::function<void(State&)>& edit) {
    EXPECT_TRUE(ends_elsewhere(step, chain_steps, "lost" + what, edit)) << what;
  };
  EXPECT_FALSE(ends_elsewhere(4, chain_steps, "nothing", [](State&) {}));
  lose(4, "number", [](State& s) { s.values["phase"]["number"] = 0; });
  lose(10, "number-in-the-last", [](State& s) { s.values["phase"]["number"] = 0; });
  lose(4, "steps", [](State& s) { s.values["phase"]["steps"] = 0; });
  lose(4, "kept", [](State& s) { std::erase_if(s.tensors, [](const auto& t) { return t.first.starts_with("kept/"); }); });
  lose(6, "best", [](State& s) { std::erase_if(s.tensors, [](const auto& t) { return t.first.starts_with("best/"); }); });
  lose(10, "counts", [](State& s) {
    for (Json& steps : s.values["optimizer"]["steps"]) steps = 3;
  });
}

}  // namespace
}  // namespace thaw::test
