// One owner at a time of a directory on any shared file system, without file locks.
// A lease is a file lease/NNNNNNNN.json, taken by link(2), which succeeds for one process alone; its number is the generation.
// The owner is the highest generation's. It touches its file now and then: the time of the last touch, by the file server's
// clock, is the heartbeat. A released or stale lease is succeeded by the next generation, and whoever held it finds out by `check`.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "framework/base/error.h"

namespace thaw {

struct LeaseTimes {
  double renew_s = 10;  // between heartbeats
  double stale_s = 60;  // without one: the owner is taken for dead
};

// 73: a live owner holds the lease. owner(): "host node7, pid 4711, Slurm job 12, since 2026-01-02T03:04:05Z".
class LeaseHeld : public FileError {
 public:
  LeaseHeld(const std::string& message, std::string owner) : FileError(ExitCode::cannot_write, message), owner_(std::move(owner)) {}
  const std::string& owner() const { return owner_; }

 private:
  std::string owner_;
};

class Lease {
 public:
  // Takes the lease of `directory`, made where needed. LeaseHeld where a live owner has it, FileError (73) where it cannot be written.
  // An owner is dead at once, without waiting for stale_s, where its process on this machine is gone, or where it was an
  // earlier start of this same Slurm job or an earlier attempt of this same `thaw launch` (THAW_LAUNCH, THAW_ATTEMPT).
  explicit Lease(std::filesystem::path directory, LeaseTimes times = {});
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease();

  // Throws FileError (73) where another process has taken over. Two look-ups: cheap enough before every write.
  void check() const;
  void release() noexcept;  // the next owner need not wait
  void discard() noexcept;  // the same, and no trace is left in the directory
  std::int64_t generation() const { return generation_; }

  // The same check by another process on the owner's behalf, such as another rank, to which the owner gave its mark.
  std::string mark() const { return std::to_string(generation_) + " " + owner_; }
  static void check(const std::filesystem::path& directory, const std::string& mark);

 private:
  void renew(const std::stop_token& stop);
  bool stop();  // the heartbeat; whether the lease was ours to the end

  std::filesystem::path directory_;
  LeaseTimes times_;
  std::string owner_;  // what our lease file says
  std::int64_t generation_ = 0;
  bool held_ = false;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread heartbeat_;
};

// The owner of a directory as one sees it who only looks: nothing is taken, written or touched. Nothing where there is no lease.
struct LeaseSeen {
  bool alive = false;  // neither released nor gone, and with a heartbeat within stale_s by this machine's clock
  std::string host, job, since;
  std::int64_t pid = 0;
  double heartbeat_at = 0;  // unix seconds
};
std::optional<LeaseSeen> look_at_lease(const std::filesystem::path& directory, LeaseTimes times = {});

}  // namespace thaw
