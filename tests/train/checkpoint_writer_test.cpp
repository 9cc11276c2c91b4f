// The training goes on while a checkpoint is being written: what is written is the state as it was. tests/stages/tsan.sh runs it
// under the thread sanitizer.
#include "framework/train/checkpoint_writer.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "framework/base/file.h"
#include "tests/support/thread_ranks.h"

namespace thaw {
namespace {

class CheckpointWriting : public ::testing::Test {
 protected:
  CheckpointWriting() {
    std::string name = (fs::temp_directory_path() / "thaw_writer_XXXXXX").string();
    root = ::mkdtemp(name.data());
  }
  ~CheckpointWriting() override { fs::remove_all(root); }
  RunDirectory open() const {
    return RunDirectory::open(
        root, parse_recipe("r.yaml", "recipe: 1\ntask: text-classification\nmodel: m\noutput_dir: o\ndata: {train: a.tsv}\n"));
  }
  fs::path root;
};

TEST_F(CheckpointWriting, TakesTheStateAsItWasWhileTrainingGoesOn) {
  const auto comm = make_single_communicator();
  {
    RunDirectory run = open();
    CheckpointWriter writer(*comm, &run, root, /*keep=*/2);
    State state;
    state.tensors["w"] = at::zeros({200000});
    float* weights = state.tensors["w"].data_ptr<float>();
    const auto train = [&](std::int64_t step) {  // by our own code, which the sanitizer sees
      for (std::int64_t i = 0; i < 200000; ++i) weights[i] = static_cast<float>(step);
      state.values["step"] = step;
    };
    for (std::int64_t step = 1; step <= 6; ++step) {
      train(step);
      writer.begin(step, state, /*is_best=*/step == 1);
      EXPECT_TRUE(writer.under_way());
      for (int more = 0; more < 3; ++more) train(100);
      while (!writer.written()) train(200);
      if (step % 2 == 0) writer.publish();  // else the next `begin` does
      run.append_log({{"step", step}});
    }
    writer.finish();
    EXPECT_FALSE(writer.under_way());
    for (const std::int64_t step : {1, 5, 6}) {  // the best, and the newest two
      const State found = load_checkpoint(root / "checkpoints" / checkpoint_name(step));
      EXPECT_TRUE(at::equal(found.tensors.at("w"), at::full({200000}, static_cast<double>(step)))) << step;
      EXPECT_EQ(found.values["step"], step);
    }
    EXPECT_EQ(newest_checkpoint(root).path->filename(), checkpoint_name(6));
  }
}

// Where ranks do not share the directory, the first one writes the others' pieces too.
TEST_F(CheckpointWriting, EveryRanksPiecesAreInIt) {
  for (const bool shared : {true, false}) {
    RunDirectory run = open();
    test::ThreadRanks::run(3, [&](const auto& comm) {
      const bool first = comm->rank() == 0;
      CheckpointWriter writer(*comm, first ? &run : nullptr, first || shared ? root : root / "elsewhere", /*keep=*/1);
      State state;
      state.tensors["whole"] = at::full({100}, 7.0);
      state.tensors["piece"] = at::arange(10 * comm->rank(), comm->rank() == 2 ? 20 : 10 * (comm->rank() + 1), at::kFloat);  // none of it
      state.pieces["piece"] = 10 * comm->rank();
      state.values["step"] = 1;
      writer.begin(shared ? 1 : 2, state, /*is_best=*/false);
      writer.finish();
    });
    const fs::path checkpoint = root / "checkpoints" / checkpoint_name(shared ? 1 : 2);
    EXPECT_EQ(std::distance(fs::directory_iterator(checkpoint), {}), shared ? 4 : 2);  // the manifest, and a file a writer
    const State found = load_checkpoint(checkpoint);
    EXPECT_TRUE(at::equal(elements_of(found, "whole", 0, 100), at::full({100}, 7.0)));
    ASSERT_TRUE(elements_of(found, "piece", 0, 20).defined());
    EXPECT_TRUE(at::equal(elements_of(found, "piece", 0, 20), at::arange(20, at::kFloat)));
    EXPECT_TRUE(at::equal(elements_of(found, "piece", 7, 12), at::arange(7, 12, at::kFloat)));
    EXPECT_FALSE(elements_of(found, "piece", 15, 21).defined());
    EXPECT_FALSE(elements_of(found, "pie", 0, 1).defined());
  }
}

}  // namespace
}  // namespace thaw
