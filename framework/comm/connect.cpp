// What a launcher says in the environment, and the way from there to a communicator.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include "framework/base/error.h"
#include "framework/base/machine.h"
#include "framework/comm/communicator.h"
#include "framework/comm/library.h"
#include "framework/comm/mpi/factory.h"

namespace thaw {
namespace {

std::optional<int> number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  if (error != std::errc{} || *end != '\0' || value < 0 || value > 10'000'000)
    throw UsageError("{}: expected a number of ranks, as a launcher sets it, found '{}'; unset {}, or start with mpirun or srun", variable,
                     text, variable);
  return value;
}

struct Names {
  const char *rank, *size, *local_rank, *local_size;
};
// The innermost launcher first: mpirun inside a Slurm step sets its own beside Slurm's. SLURM_STEP_NUM_TASKS is set in
// srun's steps and not for a batch script itself, whose SLURM_NTASKS speaks of steps to come (and whose SLURM_PROCID is 0).
constexpr std::array launchers{
    Names{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
    Names{"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_SIZE"},
    Names{"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
    Names{"PMIX_RANK", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", ""},
    Names{"PMIX_RANK", "SLURM_NTASKS", "SLURM_LOCALID", ""},
    Names{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", ""}};

// Tasks on this node, from "2(x3),1": two on each of three nodes, then one.
std::optional<int> slurm_local_size() {
  const char* text = std::getenv("SLURM_STEP_TASKS_PER_NODE");
  const auto node = number_in("SLURM_NODEID");
  if (text == nullptr || !node) return std::nullopt;
  int nodes = 0;
  while (*text != '\0') {
    char* end = nullptr;
    const long tasks = std::strtol(text, &end, 10);
    long times = 1;
    if (end == text) break;
    if (std::string_view(end).starts_with("(x")) {
      times = std::strtol(end + 2, &end, 10);
      if (*end == ')') ++end;
    }
    nodes += static_cast<int>(times);
    if (*node < nodes) return static_cast<int>(tasks);
    text = *end == ',' ? end + 1 : end;
  }
  return std::nullopt;
}

// The command that starts ranks which find each other, for the launcher that was used.
std::string right_command(const LaunchedWorld& world, const std::string& mpi) {
  // srun --mpi=pmi2 sets PMI's names beside Slurm's.
  if (world.launcher.starts_with("SLURM") || (world.launcher == "PMI_SIZE" && std::getenv("SLURM_STEP_ID") != nullptr))
    return fmt::format("srun --mpi=pmix -n {} thaw … (srun --mpi=list shows what this site has)", world.size);
  return fmt::format(
      "mpirun -n {} thaw …, with the mpirun that belongs to {} (mpirun --version tells); or build libthaw_mpi.so with the "
      "launcher's MPI (cmake -DMPI_CXX_COMPILER=…)",
      world.size, mpi);
}

// Whether srun gave its tasks a way to find each other: PMIx, PMI-1, PMI-2 or Cray's. With --mpi=none it gives none, and
// Open MPI ends the process inside MPI_Init with words about how it was built.
bool has_process_manager() {
  constexpr std::array names{"PMIX_RANK", "PMI_RANK", "PMI_FD", "PMI_CONTROL_PORT", "PALS_APID"};
  return std::any_of(names.begin(), names.end(), [](const char* name) { return std::getenv(name) != nullptr; });
}

// Ranks that wait for others must let them run where they share cores. Open MPI sees to it where there are more ranks than slots,
// but slots are what somebody says (--host a:8), and what waits then takes half of the time from what computes.
void yield_where_cores_are_shared(const LaunchedWorld& world) {
  const Machine machine = this_machine();
  const bool bound = std::getenv("OMPI_MCA_orte_bound_at_launch") != nullptr || world.launcher.starts_with("SLURM");
  if (world.local_size > (bound ? machine.cores_of_machine : machine.cores_allowed)) ::setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
}

}  // namespace

LaunchedWorld launched_world() {
  LaunchedWorld world;
  for (const Names& names : launchers) {
    const auto rank = number_in(names.rank), size = number_in(names.size);
    if (!rank || !size) continue;
    if (*rank >= *size)
      throw UsageError("{}={}: expected less than {}={}; start with mpirun or srun", names.rank, *rank, names.size, *size);
    world.rank = *rank;
    world.size = *size;
    // srun with PMI-1 or PMI-2 sets PMI_RANK, but Slurm's own names for the node.
    const auto local_rank = number_in(names.local_rank), local_size = number_in(names.local_size);
    world.local_rank = local_rank ? *local_rank : number_in("SLURM_LOCALID").value_or(0);
    world.local_size = local_size ? *local_size : slurm_local_size().value_or(1);
    world.launcher = names.size;
    break;
  }
  return world;
}

std::shared_ptr<Communicator> connect(const LaunchedWorld& world) {
  if (world.size <= 1) return make_single_communicator();
  const std::string said = fmt::format("{}={}: a launcher started {} ranks", world.launcher, world.size, world.size);
  if (world.launcher.starts_with("SLURM") && !has_process_manager())
    throw UsageError("{}, which cannot find each other: srun was started without PMIx. Start with: {}", said, right_command(world, ""));
  const Library file("libthaw_mpi.so");
  void* const library = file.load();
  if (library == nullptr)
    throw UsageError(
        "{}, but libthaw_mpi.so cannot be loaded: {}. Build it with this site's MPI (cmake -DTHAW_MPI=ON) and "
        "put it into {}",
        said, ::dlerror(), file.folder.string());
  const auto abi = symbol_in<int()>(library, "thaw_mpi_abi");
  if (abi == nullptr || abi() != mpi_factory_abi)
    throw UsageError("{}: expected version {} of its interface, found {}: it is of another version of Thaw; build both together", file.name,
                     mpi_factory_abi, abi == nullptr ? 0 : abi());
  const auto make = symbol_in<Communicator*()>(library, "thaw_make_mpi_communicator");
  const auto mpi_version = symbol_in<const char*()>(library, "thaw_mpi_library_version");
  if (make == nullptr || mpi_version == nullptr) throw UsageError("{}: not whole; build it again", file.name);

  yield_where_cores_are_shared(world);
  std::shared_ptr<Communicator> comm(make());
  if (const int found = comm->size(); found != world.size) {
    const std::string mpi = mpi_version();
    if (found == 1) comm.reset();  // alone, so nobody is waited for
    throw UsageError("{}, but {} finds {}: the launcher is of another MPI, or speaks another PMI. Start with: {}", said, mpi,
                     found == 1 ? "each of them alone" : fmt::format("{}", found), right_command(world, mpi));
  }
  return comm;
}

}  // namespace thaw
