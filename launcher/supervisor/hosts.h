// Where ranks run: hosts with so many slots each, as Open MPI writes them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

struct Host {
  std::string name;
  int slots = 1;
  bool operator==(const Host&) const = default;
};

// "a:4,b:4"; a host alone has one slot, and one that comes again has more. UsageError (64).
std::vector<Host> parse_hosts(std::string_view text);
// Open MPI's hostfile: a line a host, "node1 slots=4", "#" comments. UsageError with file and line; FileError (66).
std::vector<Host> read_hostfile(const std::filesystem::path& path);
// Of the Slurm job that this process is in, from SLURM_JOB_NODELIST ("n[1-3,7],m1") and SLURM_TASKS_PER_NODE ("2(x3),1"):
// empty outside of one. UsageError where the two do not agree.
std::vector<Host> hosts_of_slurm();
std::vector<std::string> expand_nodelist(std::string_view list);
std::vector<int> expand_counts(std::string_view counts);

std::string hosts_text(const std::vector<Host>& hosts);  // "a:4,b:4"
// The first of them that have room for so many ranks; the others are spare.
std::vector<Host> first_for(const std::vector<Host>& hosts, int ranks);
int slots_of(const std::vector<Host>& hosts);
// Names are compared by their first part, "node1" of "node1.cluster"; addresses whole.
bool same_host(std::string_view a, std::string_view b);
// Which of the hosts a rank is on: the one that calls itself so ("node1" is "node1.cluster"), or else, where it is listed by an
// address or another name, the one that its number falls to when slots are filled in order.
std::size_t host_of(int rank, std::string_view reported, const std::vector<Host>& hosts);

}  // namespace thaw
