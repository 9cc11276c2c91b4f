// A checkpoint is whole or passed over by name; the newest whole one counts.
#include "framework/train/checkpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {
namespace {

class Checkpoint : public ::testing::Test {
 protected:
  const fs::path run = fs::temp_directory_path() / fmt::format("thaw-checkpoint-{}", ::getpid());
  ~Checkpoint() override { fs::remove_all(run); }

  void save(std::int64_t step, std::int64_t keep = 3) const {
    State state;
    state.tensors["w"] = at::full({1000}, static_cast<double>(step));
    state.values["step"] = step;
    save_checkpoint(run, step, state, keep);
  }
  fs::path file(std::int64_t step, const char* name) const { return run / "checkpoints" / checkpoint_name(step) / name; }
};

TEST_F(Checkpoint, NewestCountsAndTheOldestAreRemoved) {
  EXPECT_FALSE(newest_checkpoint(run).path);
  for (const std::int64_t step : {9, 10, 11, 100}) save(step, 2);
  const FoundCheckpoint found = newest_checkpoint(run);
  ASSERT_TRUE(found.path);
  EXPECT_TRUE(found.damaged.empty());
  const State state = load_checkpoint(*found.path);
  EXPECT_EQ(state.values["step"], 100);
  EXPECT_TRUE(at::equal(state.tensors.at("w"), at::full({1000}, 100.0)));
  EXPECT_EQ(read_file(run / "checkpoints" / "latest"), "step-00000100\n");
  EXPECT_TRUE(fs::exists(file(11, "manifest.json")));
  EXPECT_FALSE(fs::exists(file(10, "manifest.json")));
}

TEST_F(Checkpoint, DamagedOnesAreNamedAndPassedOver) {
  for (const std::int64_t step : {1, 2, 3, 4}) save(step, 4);
  fs::create_directories(run / "checkpoints" / "step-00000005.tmp");  // of a save that was cut off
  fs::remove(file(4, "manifest.json"));
  fs::resize_file(file(3, "state-00000-of-00001.safetensors"), 4000);
  std::string bytes = read_file(file(2, "state-00000-of-00001.safetensors"));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  write_file_atomically(file(2, "state-00000-of-00001.safetensors"), bytes);
  const FoundCheckpoint found = newest_checkpoint(run);
  ASSERT_TRUE(found.path);
  EXPECT_EQ(found.path->filename(), "step-00000001");
  ASSERT_EQ(found.damaged.size(), 3U);
  EXPECT_NE(found.damaged[0].find("step-00000004: "), std::string::npos) << found.damaged[0];
  EXPECT_NE(found.damaged[1].find("step-00000003: state-00000-of-00001.safetensors has 4000 bytes instead of"), std::string::npos)
      << found.damaged[1];
  EXPECT_EQ(found.damaged[2], "step-00000002: the checksum of state-00000-of-00001.safetensors fails");
  fs::remove(file(1, "manifest.json"));
  EXPECT_FALSE(newest_checkpoint(run).path);
  EXPECT_EQ(newest_checkpoint(run).damaged.size(), 4U);
}

}  // namespace
}  // namespace thaw
