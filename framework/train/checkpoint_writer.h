// Writes checkpoints beside the training, each rank its share: `begin` copies what the rank is to write and may change, a
// thread of the rank's own writes it, and once all have, rank 0 publishes. Where ranks do not share the run's directory, rank 0
// writes everything. What a thread fails at is thrown by the next call on that rank.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "framework/comm/communicator.h"
#include "framework/train/checkpoint.h"
#include "framework/train/run_directory.h"

namespace thaw {

class CheckpointWriter {
 public:
  // `run`: rank 0's, null on the others. `path`: the same directory, as every rank names it.
  CheckpointWriter(Communicator& comm, RunDirectory* run, std::filesystem::path path, std::int64_t keep);
  ~CheckpointWriter();  // waits for this rank's thread; publishes nothing

  // Collective. Takes the state as it is now, after the checkpoint before it was finished; every rank gives the same, but for its pieces.
  void begin(std::int64_t step, const State& state, bool is_best);
  bool under_way() const { return place_.has_value(); }
  bool written();  // whether this rank has nothing left to write
  void publish();  // collective; once every rank has written
  void finish();   // collective: until the last one begun stands on the disk under its name

 private:
  Communicator& comm_;
  RunDirectory* run_;
  std::filesystem::path path_;
  std::int64_t keep_, generation_ = 0;
  std::optional<CheckpointPlace> place_;  // of the one being written
  bool is_best_ = false;
  std::future<Json> share_;       // not valid where this rank writes nothing
  std::future<void> publishing_;  // on rank 0
};

}  // namespace thaw
