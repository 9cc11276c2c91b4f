// What this process has of its machine: cores by the affinity mask, memory by the cgroup.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace thaw {

struct Machine {
  std::string host;
  int cores_of_machine = 1;
  int cores_allowed = 1;           // in the affinity mask
  std::string affinity;            // the mask's cores as text, "0,1,2": equal where ranks share cores
  std::uint64_t memory_bytes = 0;  // the cgroup's limit where it is less than the machine's memory
};

// `root` is where /proc and /sys are looked for.
Machine this_machine(const std::filesystem::path& root = "/");

// Threads for a rank: its cores, divided by the ranks of this node that share them (their masks are `masks`); at least 1.
int threads_for_rank(const Machine& machine, const std::vector<std::string>& masks);

// Where the ranks of a node leave cores unused because each is bound to few: "bound to 1 of 64 cores: add --map-by
// slot:PE=16". Empty where all is well. `launcher` is LaunchedWorld::launcher.
std::string binding_warning(const Machine& machine, int ranks_of_node, const std::string& launcher);

}  // namespace thaw
