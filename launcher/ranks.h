// Running a command on all ranks: connecting them, giving each its threads, and ending them together.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <string>

#include "framework/base/error.h"
#include "framework/comm/communicator.h"

namespace thaw {

// What the ranks have, for the banner. The same on every rank.
struct Placement {
  int ranks = 1;
  int threads = 1;                 // of this rank
  std::uint64_t memory_bytes = 0;  // this node's limit
  std::string hosts;               // "2 ranks on node1, 2 on node2"
  std::string gpu;                 // "one GPU each"; empty on CPUs
  std::string warning;             // a rank bound to fewer cores than it could have; empty if all is well
};

struct Ranks {
  std::shared_ptr<Communicator> comm;     // between hosts
  std::shared_ptr<Communicator> devices;  // between GPUs by NCCL; on CPUs the same as `comm`
  at::Device device = at::kCPU;           // of this rank
  Placement placement;
  bool first() const { return comm->rank() == 0; }
};

// Connects, sets threads, runs `work`. An Error on any rank is printed once (by the lowest rank that saw it) and ends all
// ranks within seconds with its exit code; `failed` is told first, on the rank that failed.
int run_on_ranks(const std::function<int(Ranks&)>& work, const std::function<void(const Error&)>& failed = {});

}  // namespace thaw
