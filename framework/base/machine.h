// What this process has of its machine: cores by the affinity mask and the cgroup's quota, memory by the cgroup.
// Cores are physical ones: two hardware threads of a core add nothing to a matrix product.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace thaw {

struct Machine {
  std::string host;
  std::string cpu;  // "AMD EPYC 7763 64-Core Processor"
  int cores_of_machine = 1;
  int cores_allowed = 1;           // in the affinity mask
  int threads_of_core = 1;         // hardware threads of a core
  double cpu_quota = 0;            // cores' worth of time that the cgroup grants all its processes; 0: no limit
  std::string affinity;            // the mask's hardware threads as text, "0,1,2"
  std::uint64_t memory_bytes = 0;  // the cgroup's limit where it is less than the machine's memory
  std::vector<int> core_of;        // of each hardware thread: the first hardware thread of its core
};

// `root` is where /proc and /sys are looked for; `affinity` stands in for the mask that the kernel tells, if not empty.
Machine this_machine(const std::filesystem::path& root = "/", const std::string& affinity = "");

// Threads for a rank: its cores, each divided by the ranks of this node that may use it (their masks are `masks`, this
// rank's among them), within the quota; at least 1.
int threads_for_rank(const Machine& machine, const std::vector<std::string>& masks);

// Where the ranks of a node leave cores unused because each is bound to few: "bound to 1 of 64 cores: add --map-by
// slot:PE=16". Empty where all is well. `launcher` is LaunchedWorld::launcher.
std::string binding_warning(const Machine& machine, int ranks_of_node, const std::string& launcher);

// The most memory this process has held at once, in bytes, since it began or since the last reset.
std::uint64_t peak_memory();
void reset_peak_memory();

}  // namespace thaw
