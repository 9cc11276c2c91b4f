// What a directory's file system can do, as checkpoints and shards need it: locks, links, the time of an fsync, and speed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "framework/base/json.h"

namespace thaw::doctor {

struct FileSystem {
  std::string directory, type;  // "nfs", "lustre", "ext4", "tmpfs", …
  std::string problem;          // why it cannot be written; the rest is then not measured
  std::uint64_t free_bytes = 0;
  bool locks = false, links = false;  // fcntl locks; hard links, by which a run directory is owned
  double fsync_s = 0;                 // of 4 KiB, the median
  double write_bytes_per_s = 0, read_bytes_per_s = 0;
};

// Writes up to `bytes` into a file that has no name afterwards, and ends early where it takes more than `seconds`.
FileSystem measure_file_system(const std::filesystem::path& directory, std::uint64_t bytes, double seconds);
Json json_of(const FileSystem& measured);

}  // namespace thaw::doctor
