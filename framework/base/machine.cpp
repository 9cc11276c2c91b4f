#include "framework/base/machine.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <thread>

namespace thaw {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// A limit in bytes; 0 where there is none ("max", or version 1's huge number).
std::uint64_t limit_in(const fs::path& path) {
  const std::string text = first_line(path);
  std::uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return 0;
  return value > (std::uint64_t{1} << 60) ? 0 : value;
}

// The smallest limit of this process's cgroup and its parents, versions 1 and 2.
std::uint64_t cgroup_limit(const fs::path& root) {
  std::uint64_t least = 0;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = controllers.empty();
    if (!v2 && controllers.find("memory") == std::string::npos) continue;
    const fs::path base = root / (v2 ? "sys/fs/cgroup" : "sys/fs/cgroup/memory");
    for (fs::path group = fs::path(line.substr(second + 1)).relative_path();; group = group.parent_path()) {
      const std::uint64_t limit = limit_in(base / group / (v2 ? "memory.max" : "memory.limit_in_bytes"));
      if (limit > 0 && (least == 0 || limit < least)) least = limit;
      if (group.empty()) break;
    }
  }
  return least;
}

std::uint64_t memory_of_machine(const fs::path& root) {
  std::ifstream info(root / "proc/meminfo");
  std::string key;
  std::uint64_t kib = 0;
  for (std::string line; std::getline(info, line);) {
    std::istringstream fields(line);
    if (fields >> key >> kib && key == "MemTotal:") return kib * 1024;
  }
  return 0;
}

}  // namespace

Machine this_machine(const fs::path& root) {
  Machine machine;
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  machine.host = host;
  machine.cores_of_machine = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  machine.cores_of_machine = std::max(machine.cores_of_machine, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (::sched_getaffinity(0, sizeof mask, &mask) == 0) {
    machine.cores_allowed = std::max(1, CPU_COUNT(&mask));
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &mask)) machine.affinity += fmt::format("{}{}", machine.affinity.empty() ? "" : ",", core);
  }
  machine.memory_bytes = memory_of_machine(root);
  if (const std::uint64_t limit = cgroup_limit(root); limit > 0 && limit < machine.memory_bytes) machine.memory_bytes = limit;
  return machine;
}

int threads_for_rank(const Machine& machine, const std::vector<std::string>& masks) {
  const auto sharing = std::max<std::ptrdiff_t>(1, std::count(masks.begin(), masks.end(), machine.affinity));
  return std::max(1, machine.cores_allowed / static_cast<int>(sharing));
}

std::string binding_warning(const Machine& machine, int ranks_of_node, const std::string& launcher) {
  const int share = machine.cores_of_machine / std::max(1, ranks_of_node);
  if (share <= 1 || machine.cores_allowed >= share) return "";
  const std::string remedy = launcher.starts_with("OMPI")    ? fmt::format("add --map-by slot:PE={} to mpirun", share)
                             : launcher.starts_with("SLURM") ? fmt::format("add --cpus-per-task={} to srun", share)
                                                             : fmt::format("give each rank {} cores", share);
  return fmt::format("bound to {} of {} cores: {}", machine.cores_allowed, machine.cores_of_machine, remedy);
}

}  // namespace thaw
