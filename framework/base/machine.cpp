#include "framework/base/machine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <sstream>

#include "framework/base/file.h"
#include "framework/base/network.h"

namespace thaw {
namespace {

// "0-2,8" → {0, 1, 2, 8}; what is no list of numbers is empty.
std::vector<int> list_of(const std::string& text) {
  std::vector<int> list;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    int first = 0, last = 0;
    const char* const end = part.data() + part.size();
    const auto [after, error] = std::from_chars(part.data(), end, first);
    if (error != std::errc{} || first < 0) return {};
    last = first;
    if (after != end && *after == '-' && std::from_chars(after + 1, end, last).ec != std::errc{}) return {};
    for (int i = first; i <= last && i < (1 << 20); ++i) list.push_back(i);
  }
  return list;
}

// The strictest limit of this process's cgroup and its parents, versions 1 and 2. `limit_of` reads one group's folder.
using LimitOf = std::function<std::optional<double>(const fs::path& group, bool version_2)>;
std::optional<double> cgroup_limit(const fs::path& root, const std::string& controller, const LimitOf& limit_of) {
  std::optional<double> least;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version_2 = controllers.empty();
    if (!version_2 && ("," + controllers + ",").find("," + controller + ",") == std::string::npos) continue;
    const fs::path base = root / (version_2 ? "sys/fs/cgroup" : "sys/fs/cgroup/" + controllers);
    // In a container the path may be the host's, and lead nowhere here: the parents are looked at all the same.
    for (fs::path group = fs::path(line.substr(second + 1)).relative_path();; group = group.parent_path()) {
      if (const auto limit = limit_of(base / group, version_2); limit && (!least || *limit < *least)) least = limit;
      if (group.empty()) break;
    }
  }
  return least;
}

// "max", an absent file and version 1's huge number are no limit.
std::optional<double> memory_limit(const fs::path& group, bool version_2) {
  const std::string text = first_line(group / (version_2 ? "memory.max" : "memory.limit_in_bytes"));
  std::uint64_t bytes = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), bytes).ec != std::errc{} || bytes >= (std::uint64_t{1} << 60))
    return std::nullopt;
  return static_cast<double>(bytes);
}

std::optional<double> quota_limit(const fs::path& group, bool version_2) {
  const std::string text =
      version_2 ? first_line(group / "cpu.max") : first_line(group / "cpu.cfs_quota_us") + " " + first_line(group / "cpu.cfs_period_us");
  std::istringstream fields(text);
  double quota = 0, period = 0;
  if (!(fields >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

std::string field_of(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t value = line.find_first_not_of(" \t", std::min(line.find(':'), line.size() - 1) + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

// As many hardware threads as the machine may ever number, so that a mask fits on any machine.
std::string kernel_affinity() {
  for (int threads = 1024; threads <= (1 << 18); threads *= 4) {
    cpu_set_t* const mask = CPU_ALLOC(static_cast<std::size_t>(threads));
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(threads));
    CPU_ZERO_S(bytes, mask);
    std::vector<int> set;
    if (::sched_getaffinity(0, bytes, mask) == 0)
      for (int thread = 0; thread < threads; ++thread)
        if (CPU_ISSET_S(static_cast<std::size_t>(thread), bytes, mask)) set.push_back(thread);
    CPU_FREE(mask);
    if (!set.empty()) return fmt::format("{}", fmt::join(set, ","));
  }
  return "0";
}

std::set<int> cores_in(const Machine& machine, const std::string& mask) {
  std::set<int> cores;
  for (const int thread : list_of(mask))
    cores.insert(static_cast<std::size_t>(thread) < machine.core_of.size() ? machine.core_of[static_cast<std::size_t>(thread)] : thread);
  return cores;
}

}  // namespace

Machine this_machine(const fs::path& root, const std::string& affinity) {
  Machine machine;
  machine.host = host_name();
  machine.cpu = field_of(root / "proc/cpuinfo", "model name");

  const fs::path cpus = root / "sys/devices/system/cpu";
  std::set<int> cores;
  for (const int thread : list_of(first_line(cpus / "online"))) {
    const std::vector<int> siblings = list_of(first_line(cpus / fmt::format("cpu{}", thread) / "topology/thread_siblings_list"));
    machine.core_of.resize(static_cast<std::size_t>(thread) + 1);
    machine.core_of.back() = siblings.empty() ? thread : siblings.front();
    machine.threads_of_core = std::max(machine.threads_of_core, static_cast<int>(siblings.size()));
    cores.insert(machine.core_of.back());
  }
  machine.affinity = affinity.empty() ? kernel_affinity() : affinity;
  machine.cores_allowed = std::max(1, static_cast<int>(cores_in(machine, machine.affinity).size()));
  machine.cores_of_machine = std::max(machine.cores_allowed, static_cast<int>(cores.size()));
  machine.cpu_quota = cgroup_limit(root, "cpu", quota_limit).value_or(0);

  std::istringstream total(field_of(root / "proc/meminfo", "MemTotal:"));
  std::uint64_t kib = 0;
  total >> kib;
  machine.memory_bytes = kib * 1024;
  if (const auto limit = cgroup_limit(root, "memory", memory_limit);
      limit && (kib == 0 || *limit < static_cast<double>(machine.memory_bytes)))
    machine.memory_bytes = static_cast<std::uint64_t>(*limit);
  return machine;
}

int threads_for_rank(const Machine& machine, const std::vector<std::string>& masks) {
  std::vector<std::set<int>> ranks;
  for (const std::string& mask : masks) ranks.push_back(cores_in(machine, mask));
  double share = 0;
  for (const int core : cores_in(machine, machine.affinity)) {
    const auto sharers = std::count_if(ranks.begin(), ranks.end(), [&](const std::set<int>& rank) { return rank.contains(core); });
    share += 1.0 / static_cast<double>(std::max<std::ptrdiff_t>(1, sharers));
  }
  if (machine.cpu_quota > 0) share = std::min(share, machine.cpu_quota / static_cast<double>(std::max<std::size_t>(1, masks.size())));
  return std::max(1, static_cast<int>(share + 1e-6));  // six sixths may come to a little less than one
}

std::string binding_warning(const Machine& machine, int ranks_of_node, const std::string& launcher) {
  const int share = machine.cores_of_machine / std::max(1, ranks_of_node);
  if (share <= 1 || machine.cores_allowed >= share) return "";
  const std::string remedy = launcher.starts_with("OMPI") ? fmt::format("add --map-by slot:PE={} to mpirun", share)
                             : launcher.starts_with("SLURM")
                                 ? fmt::format("add --cpus-per-task={} to srun", share * machine.threads_of_core)
                             : launcher.starts_with("PMI") ? fmt::format("add -bind-to core:{} to mpirun", share)
                                                           : fmt::format("give each rank {} cores", share);
  return fmt::format("bound to {} of {} cores: {}", machine.cores_allowed, machine.cores_of_machine, remedy);
}

std::uint64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  return 0;
}

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace thaw
