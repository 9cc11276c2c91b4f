// What gradient sums cost on a network, by the alpha–beta model: a message of n bytes takes alpha + n · beta seconds, and adding
// n bytes takes n · gamma. Costs of MPI's algorithms: Thakur, Rabenseifner, Gropp, "Optimization of Collective Communication
// Operations in MPICH", 2005, here with two levels (within a node, between nodes, whose ranks share one link), and with the
// rounds that Open MPI's non-blocking all-reduce (coll/libnbc, 4.1) really makes. Ranks lie on nodes in blocks. Where they are
// no power of two, halving and doubling are told at their worst (up to 3 times what a few ranks take).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "framework/base/json.h"

namespace thaw {

struct LinkCost {
  double alpha_s = 0, beta_s_per_byte = 0;
  double message_s(double bytes) const { return alpha_s + bytes * beta_s_per_byte; }
};

struct NetworkModel {
  std::string name;
  LinkCost within, between;      // two ranks of a node; of two nodes, where bytes are those of all the node's ranks
  double reduce_s_per_byte = 0;  // gamma
};

struct Layout {
  int ranks = 1, ranks_per_node = 1;
  int nodes() const { return (ranks + ranks_per_node - 1) / ranks_per_node; }
};

enum class AllReduce {
  binomial,            // what libnbc takes where the sum replaces its terms, as Thaw's does
  recursive_doubling,  // latency alone counts
  ring,                // bandwidth alone counts
  rabenseifner,        // reduce-scatter by halves, then all-gather: both count
  two_level,           // within nodes through shared memory, Rabenseifner's between one rank of each; MPI's own "han"
};
std::string_view name_of(AllReduce algorithm);
AllReduce all_reduce_named(std::string_view name);  // UsageError lists the names

// What Open MPI takes by this value of coll_libnbc_iallreduce_algorithm (a number or a name; null: not set).
AllReduce all_reduce_of_open_mpi(const char* setting);

// Seconds from all ranks' begin to the last rank's end.
double all_reduce_s(const NetworkModel& network, Layout layout, AllReduce algorithm, double bytes);
// Of `bytes` from each rank: Bruck's or the ring, whichever is faster.
double all_gather_s(const NetworkModel& network, Layout layout, double bytes);

// "1gbit", "10gbit", "25gbit", "100gbit", "hdr100", "hdr200", "ndr400" by their nominal figures, or a file that `thaw doctor --save` wrote.
NetworkModel network_of(const std::string& name_or_file);
Json network_json(const NetworkModel& network);

}  // namespace thaw
