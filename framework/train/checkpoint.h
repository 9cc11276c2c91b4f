// Checkpoints of a run: checkpoints/step-NNNNNNNN/{state.safetensors, manifest.json}, written beside their name, flushed,
// checksummed and renamed, so that one is whole or absent; checkpoints/latest is a text file with the newest's name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "framework/tensor/state.h"

namespace thaw {

std::string checkpoint_name(std::int64_t step);  // "step-00000217"

// Writes, publishes, then removes all but the `keep` newest. FileError (73/74) leaves the older ones as they were.
void save_checkpoint(const std::filesystem::path& run, std::int64_t step, const State& state, std::int64_t keep);

struct FoundCheckpoint {
  std::optional<std::filesystem::path> path;  // of the newest whole one; nothing where there is none
  std::vector<std::string> damaged;           // newer ones that were passed over, with the reason
};
FoundCheckpoint newest_checkpoint(const std::filesystem::path& run);
State load_checkpoint(const std::filesystem::path& checkpoint);

}  // namespace thaw
