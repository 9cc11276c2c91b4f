#include "launcher/ranks.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <optional>
#include <thread>
#include <vector>

#include "framework/base/machine.h"
#include "framework/comm/device.h"

namespace thaw {
namespace {

std::string hosts_text(const std::vector<std::string>& hosts) {
  std::vector<std::pair<std::string, int>> counts;
  for (const std::string& host : hosts) {
    if (counts.empty() || counts.back().first != host) counts.emplace_back(host, 0);
    ++counts.back().second;
  }
  std::string text;
  for (std::size_t i = 0; i < counts.size() && i < 8; ++i)
    text += fmt::format("{}{}{} on {}", i == 0 ? "" : ", ", counts[i].second,
                        i > 0                   ? ""
                        : counts[i].second == 1 ? " rank"
                                                : " ranks",
                        counts[i].first);
  if (counts.size() > 8) text += fmt::format(" and {} hosts more", counts.size() - 8);
  return text;
}

Placement place(Communicator& comm, const LaunchedWorld& world) {
  const Machine machine = this_machine();
  const std::unique_ptr<Communicator> node = comm.split_node();
  Placement placement;
  placement.ranks = comm.size();
  placement.memory_bytes = machine.memory_bytes;
  placement.threads = threads_for_rank(machine, node->all_gather_text(machine.affinity));
  placement.hosts = hosts_text(comm.all_gather_text(machine.host));
  placement.warning = binding_warning(machine, node->size(), world.launcher);
  at::set_num_threads(placement.threads);
  return placement;
}

// The GPU of this rank's number on its node. All ranks take one, or none does: where a node has no GPU, or libthaw_cuda.so
// is not there, all run on CPUs.
void take_gpu(Ranks& ranks, const LaunchedWorld& world) {
  const auto gpus = static_cast<std::int64_t>(at::getNumGPUs());
  std::int64_t fewest = gpus;
  ranks.comm->all_reduce(&fewest, 1, CommType::i64, CommOp::min);
  if (fewest == 0) return;
  if (world.local_rank >= gpus)
    throw UsageError("{} ranks were started on {}, which has {} GPU{}: start one rank a GPU", world.local_size, this_machine().host, gpus,
                     gpus == 1 ? "" : "s");
  ranks.device = at::Device(at::kCUDA, static_cast<at::DeviceIndex>(world.local_rank));
  ranks.devices = connect_devices(ranks.comm, world.local_rank);
  ranks.placement.gpu = "one GPU each";
}

}  // namespace

int run_on_ranks(const std::function<int(Ranks&)>& work, const std::function<void(const Error&)>& failed) {
  const LaunchedWorld world = launched_world();
  std::shared_ptr<Communicator> comm;
  std::optional<Error> error;
  try {
    at::set_num_interop_threads(1);
    comm = connect(world);
    Ranks ranks{comm, comm, at::kCPU, place(*comm, world)};
    take_gpu(ranks, world);
    return work(ranks);
  } catch (const std::exception& exception) {
    error = as_error(exception);
  }
  // The same error often strikes all ranks: rank 0 speaks and ends everybody before the others come to speak.
  if (world.rank != 0) std::this_thread::sleep_for(std::chrono::milliseconds(700));
  if (failed) failed(*error);
  fmt::print(stderr, "\nthaw: {}{}\n", world.size > 1 ? fmt::format("rank {} of {}: ", world.rank, world.size) : "", error->what());
  std::fflush(stderr);
  if (comm && comm->size() > 1) comm->abort(static_cast<int>(error->code()));
  return static_cast<int>(error->code());
}

}  // namespace thaw
