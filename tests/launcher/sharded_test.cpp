// `optimizer.sharded: true`: ranks share moments and the optimizer's work; nothing else changes, not by a bit.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "framework/train/checkpoint.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

class Sharded : public ::testing::Test {
 protected:
  const Workshop shop;

  // The head learns, sleeps, and learns again with the moments that it had.
  void add_phases() const {
    std::string recipe = shop.file("recipe.yaml");
    recipe.erase(recipe.find("epochs: 2"), 9);
    shop.write("recipe.yaml", recipe + R"(thaw:
  phases:
    - {trainable: head, until: {steps: 3}, lr: 1.0e-02}
    - {trainable: encoder.layer.0, until: {steps: 2}}
    - {trainable: all, until: {epochs: 1.5}, restore_best: true}
)");
  }
  State of_step(const std::string& run, std::int64_t step) const {
    return load_checkpoint(shop.path(run + "/checkpoints/" + checkpoint_name(step)));
  }
  void expect_same(const std::string& whole, const std::string& sharded) const {
    const auto log_a = shop.log(whole), log_b = shop.log(sharded);
    ASSERT_EQ(log_a.size(), log_b.size());
    for (std::size_t i = 0; i < log_a.size(); ++i)
      for (const char* key : {"step", "loss", "lr", "grad_norm"}) EXPECT_EQ(log_a[i][key], log_b[i][key]) << sharded << " " << key << i;
    EXPECT_EQ(shop.file(whole + "/best/model.safetensors"), shop.file(sharded + "/best/model.safetensors"));
    const auto last = static_cast<std::int64_t>(log_a.size());
    for (const std::int64_t step : {std::int64_t{4}, std::int64_t{8}, last}) {  // asleep, at work, and of a finished run
      const State a = of_step(whole, step), b = of_step(sharded, step);
      for (const auto& [name, tensor] : a.tensors) {
        const at::Tensor elements = elements_of(b, name, 0, tensor.numel());
        ASSERT_TRUE(elements.defined()) << sharded << " lacks " << name;
        EXPECT_TRUE(at::equal(tensor.flatten(), elements)) << sharded << " " << name;
      }
    }
  }
};

TEST_F(Sharded, HasTheBitsThatItHasWithout) {
  add_phases();
  for (const char* precision : {"fp32", "bf16"})
    for (const int ranks : {2, 4}) {
      const std::string more =
          fmt::format("precision={} batch.grain=2 checkpoint.every_steps=4 checkpoint.keep=100 optimizer.weight_decay=0.1", precision);
      const std::string whole = fmt::format("{}-on-{}", precision, ranks), sharded = whole + "-sharded";
      for (const auto& [name, how] : {std::pair{whole, " optimizer.sharded=false"}, {sharded, " optimizer.sharded=true"}}) {
        const Ran ran = thaw(shop.train(name, more + how), ranks);
        ASSERT_EQ(ran.exit_code, 0) << ran.output;
      }
      expect_same(whole, sharded);
      EXPECT_TRUE(of_step(whole, 4).tensors.contains("kept/m/classifier.weight"));
      EXPECT_TRUE(of_step(sharded, 4).tensors.contains("kept/m/classifier.weight@0")) << "it was not sharded";
      EXPECT_TRUE(of_step(sharded, 8).tensors.contains("optimizer/m/classifier.weight@0"));
    }
}

// Stopped again and again, resumed on other numbers of ranks, with and without.
TEST_F(Sharded, ResumesOnOtherNumbersOfRanks) {
  add_phases();
  const std::string more = "reproducible=true batch.grain=2 checkpoint.every_steps=4 checkpoint.keep=100";
  const Ran whole = thaw(shop.train("whole", more));
  ASSERT_EQ(whole.exit_code, 0) << whole.output;
  int stops = 0;
  for (int exit_code = 75; exit_code == 75 && stops < 40; ++stops) {
    const Ran ran = thaw(shop.train("parts", fmt::format("{} max_time=0.001s optimizer.sharded={}", more, stops % 3 != 2)), 1 + stops % 4);
    exit_code = ran.exit_code;
    ASSERT_TRUE(exit_code == 75 || exit_code == 0) << ran.output;
  }
  EXPECT_GE(stops, 10);
  expect_same("whole", "parts");
}

}  // namespace
}  // namespace thaw::test
