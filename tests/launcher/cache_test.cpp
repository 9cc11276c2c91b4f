// Activations kept at the frontier: the same weights as without them, on any number of ranks, and whatever becomes of the
// directory that they are kept in.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmath>

#include "framework/tensor/safetensors.h"
#include "framework/train/checkpoint.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

// Head alone for three epochs, then the top block for two, then all; the best weights are those of the last step.
const std::string cached_phases =
    "epochs=null evaluate.metric=dev/loss optimizer.lr=0.003 thaw.phases=\"[{trainable: [head], until: {epochs: 3}, lr: 0.01}, "
    "{trainable: [head, top 1], until: {epochs: 2}}, {trainable: all, until: {epochs: 1}}]\" ";

// The norm of the difference between two runs' last weights, relative to the weights' own. Biases of keys are left out:
// softmax does not see them, so their gradient is rounding alone, which Adam scales up to the rate.
double difference(const Workshop& shop, const std::string& a, const std::string& b) {
  const auto weights = [&](const std::string& run) { return part(load_checkpoint(*newest_checkpoint(shop.path(run)).path), "model"); };
  const State ours = weights(a), theirs = weights(b);
  double apart = 0, whole = 0;
  for (const auto& [name, x] : ours.tensors) {
    if (name.ends_with("self.key.bias")) continue;
    const at::Tensor& y = theirs.tensors.at(name);
    apart += (x - y).to(at::kDouble).square().sum().item<double>();
    whole += y.to(at::kDouble).square().sum().item<double>();
  }
  return std::sqrt(apart / whole);
}

Json phase_of(const Workshop& shop, const std::string& run, std::size_t phase) {
  return Json::parse(shop.file(run + "/result.json"))["phases"][phase];
}

// A run without activations kept, to compare with.
void run_without(const Workshop& shop, const std::string& name, int ranks, const std::string& more = "") {
  const Ran ran = thaw(shop.train(name, cached_phases + "cache.activations=off " + more), ranks);
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
}

TEST(Cache, SameWeightsWithAndWithout) {
  const Workshop shop;
  for (const int ranks : {1, 2, 4}) {
    const std::string with = fmt::format("with{}", ranks), without = fmt::format("without{}", ranks);
    run_without(shop, without, ranks);
    EXPECT_EQ(phase_of(shop, without, 0)["cache_hits"], 0);
    const Ran ran = thaw(shop.train(with, cached_phases), ranks);
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
    EXPECT_NE(ran.output.find("cache      activations before head"), std::string::npos) << ran.output;
    EXPECT_LE(difference(shop, with, without), 1e-6) << ranks << " ranks";
    // Every row is computed once, in the first epoch, and not again when the frontier moves down.
    EXPECT_GT(phase_of(shop, with, 0)["cache_hits"].get<int>(), 0);
    EXPECT_GT(phase_of(shop, with, 1)["cache_hits"].get<int>(), 0);
    EXPECT_EQ(phase_of(shop, with, 1)["cache_misses"], 0);
  }
  run_without(shop, "control", 1, "seeds.order=7");
  EXPECT_GT(difference(shop, "control", "without1"), 1e-4);
}

TEST(Cache, SameCurveInBf16) {
  const Workshop shop;
  run_without(shop, "without", 2, "precision=bf16");
  const Ran ran = thaw(shop.train("with", cached_phases + "precision=bf16"), 2);
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const auto a = shop.log("without"), b = shop.log("with");
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i]["loss"].get<double>(), b[i]["loss"].get<double>(), 1e-3) << "step " << i + 1;
}

// Phases of one epoch: the head's own activations are not worth keeping, the next phase's are kept as they go by.
TEST(Cache, OnePassFillsTheNextPhasesFrontier) {
  const Workshop shop;
  const std::string once =
      "epochs=null evaluate.metric=dev/loss optimizer.lr=0.003 thaw.phases=\"[{trainable: [head], until: {epochs: 1}, lr: 0.01}, "
      "{trainable: [head, top 1], until: {epochs: 1}}, {trainable: all, until: {epochs: 1}}]\" ";
  const Ran without = thaw(shop.train("without", once + "cache.activations=off precision=bf16"), 2);
  const Ran with = thaw(shop.train("with", once + "precision=bf16"), 2);
  ASSERT_EQ(without.exit_code + with.exit_code, 0) << with.output;
  EXPECT_GT(phase_of(shop, "with", 0)["cache_misses"].get<int>(), 0);
  EXPECT_EQ(phase_of(shop, "with", 1)["cache_misses"], 0);
  EXPECT_GT(phase_of(shop, "with", 1)["cache_hits"].get<int>(), 0);
  EXPECT_LE(difference(shop, "with", "without"), 1e-6);

  // In fp32 a pass would have to take its rows one by one, which costs more than it saves.
  const Ran fp32 = thaw(shop.train("fp32", once), 2);
  ASSERT_EQ(fp32.exit_code, 0) << fp32.output;
  EXPECT_EQ(phase_of(shop, "fp32", 0)["cache_misses"], 0);
}

TEST(Cache, RoomForSomeRowsIsUsedForThem) {
  const Workshop shop;
  run_without(shop, "without", 2);
  const Ran ran = thaw(shop.train("some", cached_phases + "cache.max_gib=0.00003"), 2);
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_NE(ran.output.find("% of the rows"), std::string::npos) << ran.output;
  int hits = 0, misses = 0;
  for (const std::size_t phase : {0, 1}) {
    hits += phase_of(shop, "some", phase)["cache_hits"].get<int>();
    misses += phase_of(shop, "some", phase)["cache_misses"].get<int>();
  }
  EXPECT_GT(hits, 0);
  EXPECT_GT(misses, 0);
  EXPECT_LE(difference(shop, "some", "without"), 1e-6);
}

TEST(Cache, FullMissingOrForbiddenDirectoriesAreSaidAndDoWithout) {
  const Workshop shop;
  run_without(shop, "without", 2);
  const Ran missing = thaw(shop.train("missing", cached_phases + "cache.dir=" + shop.path("nowhere")), 2);
  ASSERT_EQ(missing.exit_code, 0) << missing.output;
  EXPECT_NE(missing.output.find("nowhere: No such file or directory"), std::string::npos) << missing.output;
  EXPECT_LE(difference(shop, "missing", "without"), 1e-6);

  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to mount a small file system";
  std::filesystem::create_directory(shop.path("small"));
  if (::mount("tmpfs", shop.path("small").c_str(), "tmpfs", 0, "size=12k") != 0) GTEST_SKIP() << "cannot mount a tmpfs here";
  const Ran full = thaw(shop.train("full", cached_phases + "cache.dir=" + shop.path("small")), 2);
  const bool left_clean = std::filesystem::is_empty(shop.path("small"));
  ::umount(shop.path("small").c_str());
  ASSERT_EQ(full.exit_code, 0) << full.output;
  EXPECT_NE(full.output.find("has no room"), std::string::npos) << full.output;
  EXPECT_TRUE(left_clean);
  EXPECT_LE(difference(shop, "full", "without"), 1e-6);
}

TEST(Cache, RowsGoToTheOtherNodes) {
  const Workshop shop;
  run_without(shop, "without", 2);
  const Ran ran = thaw_on_two_nodes(shop.train("with", cached_phases));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_NE(ran.output.find("of the time of computing them"), std::string::npos) << ran.output;
  EXPECT_GT(phase_of(shop, "with", 0)["cache_received"], 0);
  EXPECT_LE(difference(shop, "with", "without"), 1e-6);
}

TEST(Cache, LeavesNothingBehindWhenKilled) {
  const Workshop shop;
  std::filesystem::create_directory(shop.path("kept"));
  const std::string command = shop.train("killed", cached_phases + "cache.dir=" + shop.path("kept"));
  Background run(thaw_command(command, 2));
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(shop.path("killed/log.jsonl")) && shop.log("killed").size() > 3; }));
  run.kill(SIGKILL);
  EXPECT_TRUE(std::filesystem::is_empty(shop.path("kept")));
}

}  // namespace
}  // namespace thaw::test
