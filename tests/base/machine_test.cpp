// What a process may use of its machine, on made-up /proc and /sys trees, and on this machine against nproc.
#include "framework/base/machine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace thaw {
namespace {

namespace fs = std::filesystem;

// A machine's /proc and /sys, with `cores` cores of `threads` hardware threads (numbered as Linux does: siblings far apart).
class Tree {
 public:
  Tree(int cores, int threads)
      : root_(fs::temp_directory_path() / ("thaw-machine-" + std::to_string(::getpid()) + "-" + std::to_string(made++))) {
    fs::remove_all(root_);
    write("sys/devices/system/cpu/online", "0-" + std::to_string(cores * threads - 1));
    for (int core = 0; core < cores; ++core) {
      std::string siblings = std::to_string(core);
      for (int thread = 1; thread < threads; ++thread) siblings += "," + std::to_string(core + thread * cores);
      for (int thread = 0; thread < threads; ++thread)
        write("sys/devices/system/cpu/cpu" + std::to_string(core + thread * cores) + "/topology/thread_siblings_list", siblings);
    }
    write("proc/meminfo", "MemTotal:       67108864 kB\nMemFree:        1 kB\n");
    write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Example 9000 64-Core Processor\n");
  }
  ~Tree() { fs::remove_all(root_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
  }
  const fs::path& root() const { return root_; }

 private:
  static inline int made = 0;
  fs::path root_;
};

constexpr std::uint64_t gib = std::uint64_t{1} << 30;

TEST(Memory, OfTheMachineWhereNoCgroupLimitsIt) {
  const Tree tree(4, 1);
  EXPECT_EQ(this_machine(tree.root(), "0").memory_bytes, 64 * gib);
}

TEST(Memory, Version2TheStrictestOfAllParents) {
  Tree tree(4, 1);
  tree.write("proc/self/cgroup", "0::/slurm/job_7/step_0");
  tree.write("sys/fs/cgroup/slurm/job_7/step_0/memory.max", "max");
  EXPECT_EQ(this_machine(tree.root(), "0").memory_bytes, 64 * gib);
  tree.write("sys/fs/cgroup/slurm/job_7/memory.max", std::to_string(16 * gib));
  EXPECT_EQ(this_machine(tree.root(), "0").memory_bytes, 16 * gib);
  tree.write("sys/fs/cgroup/slurm/memory.max", std::to_string(8 * gib));
  EXPECT_EQ(this_machine(tree.root(), "0").memory_bytes, 8 * gib);
  tree.write("sys/fs/cgroup/slurm/job_7/step_0/memory.max", std::to_string(2 * gib));
  EXPECT_EQ(this_machine(tree.root(), "0").memory_bytes, 2 * gib);
}

// A container sees its own group at the root, but reads the host's path.
TEST(Memory, Version1AlsoWhereThePathLeadsNowhere) {
  Tree tree(4, 1);
  tree.write("proc/self/cgroup", "5:cpuset:/elsewhere\n4:memory:/docker/0123abcd\n1:name=systemd:/docker/0123abcd");
  tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", std::to_string(3 * gib));
  EXPECT_EQ(this_machine(tree.root(), "0").memory_bytes, 3 * gib);
  tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(this_machine(tree.root(), "0").memory_bytes, 64 * gib);
  tree.write("sys/fs/cgroup/memory/docker/0123abcd/memory.limit_in_bytes", std::to_string(gib));
  EXPECT_EQ(this_machine(tree.root(), "0").memory_bytes, gib);
}

TEST(Memory, ALimitBeyondTheMachineIsNone) {
  Tree tree(4, 1);
  tree.write("proc/self/cgroup", "0::/");
  tree.write("sys/fs/cgroup/memory.max", std::to_string(640 * gib));
  EXPECT_EQ(this_machine(tree.root(), "0").memory_bytes, 64 * gib);
}

TEST(Cores, PhysicalOnesOfTheMask) {
  const Tree tree(8, 2);
  const Machine machine = this_machine(tree.root(), "0,1,2,3,8,9,10,11");
  EXPECT_EQ(machine.cores_of_machine, 8);
  EXPECT_EQ(machine.cores_allowed, 4);
  EXPECT_EQ(machine.threads_of_core, 2);
  EXPECT_EQ(machine.cpu, "Example 9000 64-Core Processor");
  EXPECT_EQ(this_machine(tree.root(), "0,8").cores_allowed, 1);
  EXPECT_EQ(this_machine(tree.root(), "0,1").cores_allowed, 2);
}

TEST(Threads, MaskDividedByTheRanksThatShareIt) {
  const Tree tree(8, 1);
  const std::string all = "0,1,2,3,4,5,6,7", low = "0,1,2,3", high = "4,5,6,7";
  const auto threads = [&](const std::string& mine, const std::vector<std::string>& masks) {
    return threads_for_rank(this_machine(tree.root(), mine), masks);
  };
  EXPECT_EQ(threads(all, {all}), 8);
  EXPECT_EQ(threads(all, {all, all}), 4);
  EXPECT_EQ(threads(all, {all, all, all}), 2);
  EXPECT_EQ(threads(low, {low, high}), 4);  // bound apart: nothing is shared
  EXPECT_EQ(threads(low, {low, low, high, high}), 2);
  EXPECT_EQ(threads("0", {"0", "1"}), 1);
  EXPECT_EQ(threads("0", {"0", "0", "0"}), 1);  // never none
  EXPECT_EQ(threads(all, {all, low}), 6);       // four of its own, four half
  EXPECT_EQ(threads(all, std::vector<std::string>(16, all)), 1);
  const Tree threaded(8, 2);
  EXPECT_EQ(threads_for_rank(this_machine(threaded.root(), "0,1,2,3,8,9,10,11"), {"0,1,2,3,8,9,10,11", "4,5,6,7,12,13,14,15"}), 4);
}

// A container that is granted 2 of 64 cores' time would crawl with 64 threads.
TEST(Threads, WithinTheCgroupsQuota) {
  Tree tree(64, 1);
  std::string all = "0";
  for (int core = 1; core < 64; ++core) all += "," + std::to_string(core);
  tree.write("proc/self/cgroup", "0::/pod");
  tree.write("sys/fs/cgroup/pod/cpu.max", "max 100000");
  EXPECT_EQ(threads_for_rank(this_machine(tree.root(), all), {all}), 64);
  tree.write("sys/fs/cgroup/pod/cpu.max", "800000 100000");
  EXPECT_EQ(threads_for_rank(this_machine(tree.root(), all), {all}), 8);
  EXPECT_EQ(threads_for_rank(this_machine(tree.root(), all), {all, all}), 4);
  tree.write("proc/self/cgroup", "3:cpu,cpuacct:/pod\n0::/");
  tree.write("sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us", "400000");
  tree.write("sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_period_us", "100000");
  EXPECT_EQ(threads_for_rank(this_machine(tree.root(), all), {all}), 4);
  tree.write("sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(threads_for_rank(this_machine(tree.root(), all), {all}), 64);
}

TEST(Binding, WarnsWithTheLaunchersRemedy) {
  const Tree tree(64, 1);
  const Machine bound = this_machine(tree.root(), "5");
  EXPECT_EQ(binding_warning(bound, 4, "OMPI_COMM_WORLD_SIZE"), "bound to 1 of 64 cores: add --map-by slot:PE=16 to mpirun");
  EXPECT_EQ(binding_warning(bound, 4, "SLURM_STEP_NUM_TASKS"), "bound to 1 of 64 cores: add --cpus-per-task=16 to srun");
  EXPECT_EQ(binding_warning(bound, 64, "OMPI_COMM_WORLD_SIZE"), "");  // every core has its rank
}

// Open MPI counts cores, Slurm hardware threads.
TEST(Binding, CountsHardwareThreadsAsTheLauncherDoes) {
  const Tree tree(64, 2);
  const Machine bound = this_machine(tree.root(), "5,69");
  EXPECT_EQ(binding_warning(bound, 4, "OMPI_COMM_WORLD_SIZE"), "bound to 1 of 64 cores: add --map-by slot:PE=16 to mpirun");
  EXPECT_EQ(binding_warning(bound, 4, "SLURM_STEP_NUM_TASKS"), "bound to 1 of 64 cores: add --cpus-per-task=32 to srun");
}

TEST(ThisMachine, AgreesWithNproc) {
  const Machine machine = this_machine();
  std::FILE* const pipe = ::popen("nproc", "r");
  int threads = 0;
  ASSERT_EQ(std::fscanf(pipe, "%d", &threads), 1);
  ::pclose(pipe);
  EXPECT_LE(machine.cores_allowed, threads);
  EXPECT_GE(machine.cores_allowed * machine.threads_of_core, threads);
  EXPECT_EQ(static_cast<int>(std::count(machine.affinity.begin(), machine.affinity.end(), ',')) + 1, threads);
  EXPECT_FALSE(machine.host.empty());
  EXPECT_GT(machine.memory_bytes, gib / 4);
}

}  // namespace
}  // namespace thaw
