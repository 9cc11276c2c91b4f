// A run's directory: its recipe, log, status and result, owned by one process at a time (see lease.h). Rank 0 alone makes one.
// Every write is whole or absent, and refused (FileError, 73) once another process has taken the directory over.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "framework/base/json.h"
#include "framework/base/lease.h"
#include "framework/train/recipe.h"

namespace thaw {

class RunDirectory {
 public:
  // Creates it where needed, takes the lease, and writes recipe.yaml. FileError (73) where it cannot be written or a live
  // owner holds it; RecipeError (65), which lists the differences, where another recipe's run is there, unless `fork` asks to go
  // on with the new one: then the old one is kept as recipe.1.yaml (2, 3, …).
  static RunDirectory open(const std::filesystem::path& path, const Recipe& recipe, LeaseTimes times = {}, bool fork = false);
  RunDirectory(RunDirectory&&) noexcept;
  ~RunDirectory();

  const std::filesystem::path& path() const { return path_; }
  void check() const { lease_->check(); }  // before writing here by other means, such as a checkpoint

  std::int64_t generation() const { return lease_->generation(); }

  void append_log(const Json& entry);  // log.jsonl, one object a line
  // Drops what was logged after `step`, before going on from there, and its evaluation where that is to come once more.
  void truncate_log(std::int64_t step, bool before_evaluation = false);
  void write_status(
      const Json& status);  // state: running, done, stopped or failed; exit_code, step, last_checkpoint, message; adds updated
  void write_result(const Json& result);  // result.json
  std::optional<Json> status() const;     // as last written; nothing where there is none

  void release() noexcept;  // at the normal end; the destructor does it too

 private:
  RunDirectory(std::filesystem::path path, LeaseTimes times);
  void open_log();
  void close_log();

  std::filesystem::path path_;
  std::unique_ptr<Lease> lease_;
  int log_ = -1;
};

}  // namespace thaw
