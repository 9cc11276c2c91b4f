#include "framework/base/lease.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <limits>
#include <optional>
#include <random>
#include <vector>

#include "framework/base/clock.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/hash.h"
#include "framework/base/json.h"
#include "framework/base/network.h"
#include "framework/base/process.h"
#include "framework/base/signals.h"

namespace thaw {
namespace {

// Which process numbers mean the same process: those of one boot and one process namespace (a container has its own).
std::string machine() {
  std::error_code error;
  return first_line("/proc/sys/kernel/random/boot_id") + " " + fs::read_symlink("/proc/self/ns/pid", error).string();
}

std::string random_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Json ourselves() {
  return {{"host", host_name()},
          {"pid", ::getpid()},
          {"pid_start", look_at_process(::getpid()).start},
          {"machine", machine()},
          {"id", random_id()},
          {"since", utc_now()},
          {"job", environment("SLURM_JOB_ID")},
          {"restart", environment("SLURM_RESTART_COUNT")},
          {"launch", environment("THAW_LAUNCH")},
          {"attempt", environment("THAW_ATTEMPT")},
          {"released", false}};
}

double modified_s(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::numeric_limits<double>::infinity();  // gone: of no age
  return static_cast<double>(info.st_mtim.tv_sec) + 1e-9 * static_cast<double>(info.st_mtim.tv_nsec);
}

// A file that was just written tells the time by the clock that also stamps heartbeats, whatever the hosts' clocks say.
double now_by(const fs::path& claim) {
  if (::utimensat(AT_FDCWD, claim.c_str(), nullptr, 0) != 0)
    throw FileError(ExitCode::cannot_write, "{}: cannot touch: {}", claim.string(), std::strerror(errno));
  return modified_s(claim);
}

std::string text_of(const Json& lease, const char* key) {
  const auto found = lease.find(key);
  return found == lease.end() ? "" : found->is_string() ? found->get<std::string>() : found->dump();
}

std::int64_t number_of(const std::string& text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

fs::path leases_of(const fs::path& directory) { return directory / "lease"; }
fs::path file_of(const fs::path& directory, std::int64_t generation) {
  return leases_of(directory) / fmt::format("{:08}.json", generation);
}

std::string named(const Json& lease) {
  const std::string job = text_of(lease, "job");
  return fmt::format("host {}, pid {}{}, since {}", text_of(lease, "host"), text_of(lease, "pid"), job.empty() ? "" : ", Slurm job " + job,
                     text_of(lease, "since"));
}

bool over(const Json& lease, const Json& us) {
  if (text_of(lease, "released") == "true") return true;
  if (text_of(lease, "machine") == text_of(us, "machine") && lease.contains("pid") && lease["pid"].is_number_integer() &&
      look_at_process(lease["pid"].get<std::int64_t>()).start != text_of(lease, "pid_start"))
    return true;
  // Slurm starts a requeued job, and `thaw launch` an attempt, only after having ended the earlier one.
  const auto later_start_of_same = [&](const char* id, const char* count) {
    return !text_of(us, id).empty() && text_of(us, id) == text_of(lease, id) &&
           number_of(text_of(us, count)) > number_of(text_of(lease, count));
  };
  return later_start_of_same("job", "restart") || later_start_of_same("launch", "attempt");
}

std::optional<Json> read_lease(const fs::path& path) {
  try {
    Json lease = JsonFile(path).raw();
    if (lease.is_object()) return lease;
  } catch (const DataError&) {  // not whole yet, or nothing of ours
  } catch (const FileError&) {  // just succeeded and cleared away, or not ours to read
  }
  return std::nullopt;
}

// The generation that a file of this name stands for; 0 for other files.
std::int64_t generation_of(const std::string& name) {
  std::int64_t generation = 0;
  const auto [stop, failed] = std::from_chars(name.data(), name.data() + name.size(), generation);
  return failed == std::errc() && std::string_view(stop) == ".json" ? generation : 0;
}

std::vector<std::string> names_in(const fs::path& leases) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(leases, error), end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().string());
  if (error && error != std::errc::no_such_file_or_directory)
    throw FileError(ExitCode::cannot_write, "{}: cannot list the directory: {}", leases.string(), error.message());
  std::sort(names.begin(), names.end());
  return names;
}

std::int64_t highest(const fs::path& leases) {
  std::int64_t most = 0;
  for (const std::string& name : names_in(leases)) most = std::max(most, generation_of(name));
  return most;
}

// What the claims of all processes of this machine begin with; then comes the process.
std::string claims_of(const Json& us) { return fmt::format("claim-{}-", hash_hex(text_of(us, "machine"))); }

// Whether a process of this machine made this claim, or the file that becomes it, and is gone.
bool left_behind(const std::string& name, const std::string& ours) {
  std::int64_t pid = 0;
  return name.starts_with(ours) && std::from_chars(name.data() + ours.size(), name.data() + name.size(), pid).ec == std::errc() &&
         look_at_process(pid).start.empty();
}

// Leases that were succeeded, the oldest first: `check` finds its own file gone, or the next one there. And what claimants
// left that were killed.
void clear_away(const fs::path& leases, std::int64_t generation, double long_ago, const std::string& ours) {
  for (const std::string& name : names_in(leases)) {
    const std::int64_t old = generation_of(name);
    const bool goes = old == 0 ? left_behind(name, ours) || modified_s(leases / name) < long_ago : old < generation;
    if (goes) ::unlink((leases / name).c_str());
  }
}

// The new file appears whole or not at all, and for one process alone. File systems without hard links get O_EXCL.
bool create_exclusively(const fs::path& from, const fs::path& to, const std::string& content) {
  if (::link(from.c_str(), to.c_str()) == 0) return true;
  if (errno == EEXIST) return false;
  if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK) {
    const int descriptor = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor >= 0) {
      const bool whole = ::write(descriptor, content.data(), content.size()) == static_cast<ssize_t>(content.size());
      ::close(descriptor);
      if (whole) return true;
      ::unlink(to.c_str());
    } else if (errno == EEXIST) {
      return false;
    }
  }
  throw FileError(ExitCode::cannot_write, "{}: cannot create: {}", to.string(), std::strerror(errno));
}

}  // namespace

Lease::Lease(fs::path directory, LeaseTimes times) : directory_(std::move(directory)), times_(times) {
  const fs::path leases = leases_of(directory_);
  const Json us = ourselves();
  owner_ = us.dump() + "\n";
  const fs::path claim = leases / fmt::format("{}{}-{}", claims_of(us), ::getpid(), reinterpret_cast<std::uintptr_t>(this));
  for (int tries = 3;; --tries) try {  // an owner that leaves may take the empty directory away
      make_directory(leases);
      write_file_atomically(claim, owner_);
      break;
    } catch (const FileError&) {
      if (tries == 0) throw;
    }
  struct Remove {
    const fs::path& path;
    ~Remove() { ::unlink(path.c_str()); }
  } const remove{claim};

  const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
  while (generation_ == 0) {
    const std::int64_t last = highest(leases);
    if (last > 0) {
      const double age = std::max(now_by(claim) - modified_s(file_of(directory_, last)), 0.0);
      const std::optional<Json> lease = read_lease(file_of(directory_, last));
      const bool free = age > times_.stale_s || (lease && over(*lease, us));
      if (!free && !lease && std::chrono::steady_clock::now() < give_up) {  // being written, or just succeeded by another
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        continue;
      }
      if (!free) {
        const std::string owner =
            lease ? named(*lease) : fmt::format("an unreadable lease, {}", file_of(directory_, last).filename().string());
        throw LeaseHeld(fmt::format("{}: another process owns this directory: {}, last heartbeat {:.0f} s ago; wait until it ends "
                                    "(or for {:.0f} s without a heartbeat, if it was killed on another host), or choose "
                                    "another output_dir or --out",
                                    directory_.string(), owner, age, times_.stale_s),
                        owner);
      }
    }
    if (!create_exclusively(claim, file_of(directory_, last + 1), owner_)) continue;
    // We may have followed an old listing: whoever is above us owns the directory.
    if (highest(leases) == last + 1) generation_ = last + 1;
    else ::unlink(file_of(directory_, last + 1).c_str());
  }
  held_ = true;
  clear_away(leases, generation_, now_by(claim) - times_.stale_s, claims_of(us));

  const SignalsBlocked blocked;
  heartbeat_ = std::jthread([this](const std::stop_token& stop) { renew(stop); });
}

Lease::~Lease() { release(); }

void Lease::renew(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, stop, std::chrono::duration<double>(times_.renew_s), [&] { return stop.stop_requested(); }))
    ::utimensat(AT_FDCWD, file_of(directory_, generation_).c_str(), nullptr, 0);  // a failure shows in `check`, or passes
}

void Lease::check() const {
  if (!held_) throw FileError(ExitCode::bug, "{}: written to after its lease was released", directory_.string());
  check(directory_, mark());
}

// A number may come again, where an owner discarded its lease: whose it is stands in the file.
void Lease::check(const fs::path& directory, const std::string& mark) {
  const std::int64_t generation = number_of(mark);
  std::string found;
  try {
    found = read_file(file_of(directory, generation));
  } catch (const FileError&) {  // gone
  }
  if (found == mark.substr(mark.find(' ') + 1) && !fs::exists(file_of(directory, generation + 1))) return;
  const std::int64_t now = highest(leases_of(directory));
  const std::optional<Json> owner = now > 0 ? read_lease(file_of(directory, now)) : std::nullopt;
  throw FileError(ExitCode::cannot_write,
                  "{}: this process has lost its directory to {}: it sent no heartbeat for a while, or its lease was removed. "
                  "Nothing more is written here; end this process",
                  directory.string(), owner ? named(*owner) : "another owner");
}

bool Lease::stop() {
  if (!std::exchange(held_, false)) return false;
  heartbeat_ = {};  // stopped and joined
  try {
    check(directory_, mark());
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void Lease::release() noexcept {
  if (!stop()) return;
  try {
    Json lease = Json::parse(owner_);
    lease["released"] = true;
    write_file_atomically(file_of(directory_, generation_), lease.dump() + "\n");
  } catch (const std::exception&) {
    // Not writable: our end frees the lease by itself.
  }
}

void Lease::discard() noexcept {
  if (!stop()) return;
  ::unlink(file_of(directory_, generation_).c_str());
  ::rmdir(leases_of(directory_).c_str());  // fails, as it should, where another's claim is in it already
}

std::optional<LeaseSeen> look_at_lease(const fs::path& directory, LeaseTimes times) {
  const std::int64_t generation = highest(leases_of(directory));
  const std::optional<Json> lease = generation > 0 ? read_lease(file_of(directory, generation)) : std::nullopt;
  if (!lease) return std::nullopt;
  LeaseSeen seen{false, text_of(*lease, "host"), text_of(*lease, "job"), text_of(*lease, "since"), number_of(text_of(*lease, "pid"))};
  seen.heartbeat_at = modified_s(file_of(directory, generation));
  seen.alive = !over(*lease, {{"machine", machine()}}) && unix_now() - seen.heartbeat_at <= times.stale_s;
  return seen;
}

}  // namespace thaw
