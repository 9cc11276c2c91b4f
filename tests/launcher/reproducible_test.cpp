// `reproducible: true`: the same bits on any number of ranks, however their messages travel, and across resumes that change
// the number.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "framework/base/file.h"
#include "framework/train/checkpoint.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

class Reproducible : public ::testing::Test {
 protected:
  const Workshop shop;

  std::string command(const std::string& run, const std::string& more) const {
    return shop.train(run, "reproducible=true batch.grain=2 checkpoint.every_steps=4 checkpoint.keep=100 " + more);
  }
  void run(const std::string& name, int ranks, const std::string& more = "") const {
    const Ran ran = thaw(command(name, more), ranks);
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
  }
  // Every loss, rate and norm, and every bit of the last checkpoint and of the exported model.
  void expect_same(const std::string& a, const std::string& b) const {
    const auto log_a = shop.log(a), log_b = shop.log(b);
    ASSERT_EQ(log_a.size(), log_b.size()) << a << " " << b;
    for (std::size_t i = 0; i < log_a.size(); ++i)
      for (const char* key : {"step", "loss", "lr", "grad_norm"}) EXPECT_EQ(log_a[i][key], log_b[i][key]) << b << " " << key << i;
    const State last_a = load_checkpoint(*newest_checkpoint(shop.path(a)).path),
                last_b = load_checkpoint(*newest_checkpoint(shop.path(b)).path);
    ASSERT_EQ(last_a.tensors.size(), last_b.tensors.size());
    for (const auto& [name, tensor] : last_a.tensors) EXPECT_TRUE(at::equal(tensor, last_b.tensors.at(name))) << b << " " << name;
    EXPECT_EQ(last_a.values["last_evaluation"], last_b.values["last_evaluation"]) << b;
    EXPECT_EQ(shop.file(a + "/best/model.safetensors"), shop.file(b + "/best/model.safetensors")) << b;
  }
};

TEST_F(Reproducible, OnOneToFiveRanks) {
  run("on1", 1);
  for (const int ranks : {2, 3, 4, 5}) {
    const std::string name = fmt::format("on{}", ranks);
    run(name, ranks);
    expect_same("on1", name);
  }
}

// Grains that ranks do not share evenly, rows that grains do not, phases and their activation cache, bf16.
TEST_F(Reproducible, WithPhasesInBf16AndByTokens) {
  std::string recipe = shop.file("recipe.yaml");
  recipe.erase(recipe.find("epochs: 2"), 9);
  shop.write("recipe.yaml", recipe + R"(thaw:
  phases:
    - {trainable: head, until: {epochs: 1}, lr: 1.0e-02}
    - {trainable: [head, top 1], until: {epochs: 1}}
    - {trainable: all, until: {steps: 5}}
)");
  const std::string more = "precision=bf16 batch.tokens=112 batch.grain=16 cache.activations=on";
  run("on1", 1, more);
  for (const int ranks : {2, 3}) {
    const std::string name = fmt::format("on{}", ranks);
    run(name, ranks, more);
    expect_same("on1", name);
  }
}

TEST_F(Reproducible, ByMessagesBetweenNodes) {
  run("on1", 1);
  const Ran nodes = thaw_on_two_nodes(command("nodes", ""));
  ASSERT_EQ(nodes.exit_code, 0) << nodes.output;
  expect_same("on1", "nodes");
  const Ran messages = shell(fmt::format("export THAW_NODE_REDUCE=0; {}", thaw_command(command("messages", ""), 3)));
  ASSERT_EQ(messages.exit_code, 0) << messages.output;
  expect_same("on1", "messages");
}

// Stopped again and again, each time resumed on another number of ranks.
TEST_F(Reproducible, ResumedOnOtherNumbersOfRanks) {
  run("on1", 1);
  int stops = 0;
  for (int exit_code = 75; exit_code == 75 && stops < 40; ++stops) {
    const Ran ran = thaw(command("parts", "max_time=0.001s"), 1 + stops % 4);
    exit_code = ran.exit_code;
    ASSERT_TRUE(exit_code == 75 || exit_code == 0) << ran.output;
  }
  EXPECT_GE(stops, 12);  // one after every step, and one in each evaluation
  expect_same("on1", "parts");
}

// The control: without it, another number of ranks gives other bits.
TEST_F(Reproducible, OtherwiseBitsDependOnRanks) {
  run("on1", 1, "reproducible=false");
  run("on3", 3, "reproducible=false");
  EXPECT_NE(shop.log("on1").back()["grad_norm"], shop.log("on3").back()["grad_norm"]);
}

// Where the recipe leaves the grain open, it does not depend on the ranks.
TEST_F(Reproducible, ChoosesTheGrainAlike) {
  for (const int ranks : {1, 4}) {
    const std::string name = fmt::format("on{}", ranks);
    const Ran ran = thaw(shop.train(name, "reproducible=true batch.grain=0"), ranks);
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
  }
  expect_same("on1", "on4");
}

}  // namespace
}  // namespace thaw::test
