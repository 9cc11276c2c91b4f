// Checkpoints of a run: checkpoints/step-NNNNNNNN/{state-00000-of-00002.safetensors, …, manifest.json}, a file a rank, written in
// step-NNNNNNNN.N.tmp beside their name, flushed, checksummed and renamed, so that one is whole or absent; checkpoints/latest is
// a text file with the newest's name, checkpoints/best one with that of the best evaluation's, where it is kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/tensor/state.h"

namespace thaw {

std::string checkpoint_name(std::int64_t step);  // "step-00000217"

// How one is written; checkpoint_writer.h does so with all ranks, beside the training. FileError (73/74) in any part leaves
// older checkpoints as they were.
struct CheckpointPlace {
  std::filesystem::path run;
  std::int64_t step = 0, generation = 0;  // of the run directory's lease: what a lost owner still writes goes elsewhere
  std::filesystem::path temporary() const;
};
void begin_checkpoint(const CheckpointPlace& place);  // an empty directory
// What one of `of` writers writes; by the file's name, its size and checksum, as the manifest lists them.
Json write_share(const CheckpointPlace& place, const State& share, int writer, int of);
// Renames it into place, then removes all but the `keep` newest, and the best one where one is to be kept.
void publish_checkpoint(const CheckpointPlace& place, const Json& files, std::int64_t keep, bool is_best);

// All of it at once, by one process.
void save_checkpoint(const std::filesystem::path& run, std::int64_t step, const State& state, std::int64_t keep);

// Clears away what writers that were killed left unfinished; the owner of the directory does so before it looks for the newest.
void clear_unfinished_checkpoints(const std::filesystem::path& run);

struct FoundCheckpoint {
  std::optional<std::filesystem::path> path;  // of the newest whole one; nothing where there is none
  std::vector<std::string> damaged;           // newer ones that were passed over, with the reason
};
FoundCheckpoint newest_checkpoint(const std::filesystem::path& run);
State load_checkpoint(const std::filesystem::path& checkpoint);

}  // namespace thaw
