#include "framework/train/lease.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <optional>
#include <vector>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/json.h"

namespace thaw {
namespace {

std::string first_line(const fs::path& path) {
  try {
    const std::string text = read_file(path);
    return text.substr(0, text.find('\n'));
  } catch (const Error&) {
    return "";
  }
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// State and start time of a process, from /proc/PID/stat after the name's bracket; empty where it is gone or a zombie.
std::string start_of(std::int64_t pid) {
  const std::string stat = first_line(fmt::format("/proc/{}/stat", pid));
  const std::size_t bracket = stat.rfind(')');
  if (bracket == std::string::npos || bracket + 2 >= stat.size() || stat[bracket + 2] == 'Z' || stat[bracket + 2] == 'X')
    return "";
  std::size_t at = bracket + 2;
  for (int field = 3; field < 22 && at != std::string::npos; ++field) at = stat.find(' ', at + 1);
  return at == std::string::npos ? "" : stat.substr(at + 1, stat.find(' ', at + 1) - at - 1);
}

// Which process numbers mean the same process: those of one boot and one process namespace (a container has its own).
std::string machine() {
  std::error_code error;
  return first_line("/proc/sys/kernel/random/boot_id") + " " + fs::read_symlink("/proc/self/ns/pid", error).string();
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
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return {{"host", host},
          {"pid", ::getpid()},
          {"pid_start", start_of(::getpid())},
          {"machine", machine()},
          {"since", utc_now()},
          {"job", environment("SLURM_JOB_ID")},
          {"restart", environment("SLURM_RESTART_COUNT")},
          {"released", false}};
}

double age_s(const fs::path& path, double now) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return 0;
  return now - (static_cast<double>(info.st_mtim.tv_sec) + 1e-9 * static_cast<double>(info.st_mtim.tv_nsec));
}

std::string text_of(const Json& lease, const char* key) {
  const auto found = lease.find(key);
  return found == lease.end() ? "" : found->is_string() ? found->get<std::string>() : found->dump();
}

int number_of(const std::string& text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string named(const Json& lease) {
  const std::string job = text_of(lease, "job");
  return fmt::format("host {}, pid {}{}, since {}", text_of(lease, "host"), text_of(lease, "pid"),
                     job.empty() ? "" : ", Slurm job " + job, text_of(lease, "since"));
}

bool over(const Json& lease, const Json& us) {
  if (text_of(lease, "released") == "true") return true;
  if (text_of(lease, "machine") == text_of(us, "machine") && lease.contains("pid") && lease["pid"].is_number_integer() &&
      start_of(lease["pid"].get<std::int64_t>()) != text_of(lease, "pid_start"))
    return true;
  // Slurm starts a requeued job only after its earlier start has ended.
  const std::string job = text_of(us, "job");
  return !job.empty() && job == text_of(lease, "job") &&
         number_of(text_of(us, "restart")) > number_of(text_of(lease, "restart"));
}

std::optional<Json> read_lease(const fs::path& path) {
  try {
    Json lease = Json::parse(read_file(path));
    if (lease.is_object()) return lease;
  } catch (const Json::exception&) {  // not whole yet
  } catch (const FileError&) {        // just succeeded and cleared away, or not ours to read
  }
  return std::nullopt;
}

std::int64_t highest(const fs::path& directory, std::vector<std::int64_t>* all = nullptr) {
  std::int64_t most = 0;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::int64_t generation = 0;
    const auto [stop, failed] = std::from_chars(name.data(), name.data() + name.size(), generation);
    if (failed != std::errc() || std::string_view(stop) != ".json") continue;
    most = std::max(most, generation);
    if (all != nullptr) all->push_back(generation);
  }
  if (error) throw FileError(ExitCode::cannot_write, "{}: cannot list the directory: {}", directory.string(), error.message());
  return most;
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
  const fs::path leases = directory_ / "lease";
  make_directory(leases);
  const Json us = ourselves();
  owner_ = us.dump() + "\n";
  const fs::path claim =
      leases / fmt::format("claim-{}-{}-{}", us["host"].get<std::string>(), ::getpid(), reinterpret_cast<std::uintptr_t>(this));
  write_file_atomically(claim, owner_);
  struct Remove {
    const fs::path& path;
    ~Remove() { ::unlink(path.c_str()); }
  } const remove{claim};

  const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
  while (generation_ == 0) {
    const std::int64_t last = highest(leases);
    if (last > 0) {
      // A file that was just written tells the time by the clock that also stamps heartbeats, whatever the hosts' clocks say.
      if (::utimensat(AT_FDCWD, claim.c_str(), nullptr, 0) != 0)
        throw FileError(ExitCode::cannot_write, "{}: cannot touch: {}", claim.string(), std::strerror(errno));
      struct stat now {};
      ::stat(claim.c_str(), &now);
      const double age =
          age_s(file(last), static_cast<double>(now.st_mtim.tv_sec) + 1e-9 * static_cast<double>(now.st_mtim.tv_nsec));
      const std::optional<Json> lease = read_lease(file(last));
      const bool free = age > times_.stale_s || (lease && over(*lease, us));
      if (!free && !lease && std::chrono::steady_clock::now() < give_up) {  // being written, or just succeeded by another
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        continue;
      }
      if (!free)
        throw FileError(ExitCode::cannot_write,
                        "{}: another run owns this directory: {}, last heartbeat {:.0f} s ago; wait until it ends (or for "
                        "{:.0f} s without a heartbeat, if it was "
                        "killed on another host), or choose another output_dir",
                        directory_.string(), lease ? named(*lease) : "an unreadable lease", std::max(age, 0.0), times_.stale_s);
    }
    if (!create_exclusively(claim, file(last + 1), owner_)) continue;
    // We may have followed an old listing: whoever is above us owns the directory.
    if (highest(leases) == last + 1) generation_ = last + 1;
    else ::unlink(file(last + 1).c_str());
  }
  held_ = true;
  std::vector<std::int64_t> all;
  highest(leases, &all);
  std::sort(all.begin(), all.end());  // the oldest first: `check` finds its own file gone, or the next one there
  for (const std::int64_t old : all)
    if (old < generation_) ::unlink(file(old).c_str());

  // Signals are for the main thread: the heartbeat is born with all of them blocked.
  sigset_t every, before;
  ::sigfillset(&every);
  ::pthread_sigmask(SIG_SETMASK, &every, &before);
  heartbeat_ = std::jthread([this](const std::stop_token& stop) { renew(stop); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Lease::~Lease() { release(); }

void Lease::renew(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, stop, std::chrono::duration<double>(times_.renew_s), [&] { return stop.stop_requested(); }))
    ::utimensat(AT_FDCWD, file(generation_).c_str(), nullptr, 0);  // a failure shows in `check`, or passes
}

fs::path Lease::file(std::int64_t generation) const { return directory_ / "lease" / fmt::format("{:08}.json", generation); }

void Lease::check() const {
  if (!held_) throw FileError(ExitCode::bug, "{}: written to after its lease was released", directory_.string());
  if (::access(file(generation_).c_str(), F_OK) == 0 && ::access(file(generation_ + 1).c_str(), F_OK) != 0) return;
  const std::int64_t now = highest(directory_ / "lease");
  const std::optional<Json> owner = now > generation_ ? read_lease(file(now)) : std::nullopt;
  throw FileError(ExitCode::cannot_write,
                  "{}: this run has lost its directory to {}: it sent no heartbeat for {:.0f} s, or its lease was removed. "
                  "Nothing more is written here; end this process",
                  directory_.string(), owner ? named(*owner) : "another owner", times_.stale_s);
}

void Lease::release() noexcept {
  if (!held_) return;
  heartbeat_ = {};  // stopped and joined
  try {
    check();
    Json lease = Json::parse(owner_);
    lease["released"] = true;
    write_file_atomically(file(generation_), lease.dump() + "\n");
  } catch (const std::exception&) {
    // Lost, or not writable: our end frees the lease by itself.
  }
  held_ = false;
}

}  // namespace thaw
