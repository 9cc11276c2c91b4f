// What a launcher says in the environment, and the way from there to a communicator.
#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/comm/communicator.h"
#include "framework/comm/mpi/factory.h"

namespace thaw {
namespace {

std::optional<int> number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*end != '\0' || value < 0 || value > 10'000'000) throw UsageError("{}={}: expected a number of ranks, as a launcher sets it; unset it", variable, text);
  return static_cast<int>(value);
}

struct Names {
  const char *rank, *size, *local_rank, *local_size;
};
constexpr std::array launchers{Names{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
                               Names{"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
                               Names{"PMIX_RANK", "SLURM_NTASKS", "SLURM_LOCALID", ""},
                               Names{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", ""}};

fs::path beside_program(const char* name) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return program.parent_path() / name;
}

}  // namespace

// SLURM_STEP_NUM_TASKS is set in srun's steps and not for a batch script itself, whose SLURM_NTASKS speaks of steps to come.
LaunchedWorld launched_world() {
  LaunchedWorld world;
  for (const Names& names : launchers) {
    const auto rank = number_in(names.rank), size = number_in(names.size);
    if (!rank || !size) continue;
    world.rank = *rank;
    world.size = *size;
    world.local_rank = number_in(names.local_rank).value_or(0);
    world.local_size = number_in(names.local_size).value_or(1);
    world.launcher = names.size;
    break;
  }
  return world;
}

std::shared_ptr<Communicator> connect(const LaunchedWorld& world) {
  if (world.size <= 1) return make_single_communicator();
  const fs::path beside = beside_program("libthaw_mpi.so");
  void* const library = ::dlopen(fs::exists(beside) ? beside.c_str() : "libthaw_mpi.so", RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr)
    throw UsageError("{}={}: a launcher started {} ranks, but libthaw_mpi.so cannot be loaded ({}); build it with this site's MPI (cmake -DTHAW_MPI=ON)",
                     world.launcher, world.size, world.size, ::dlerror());
  const auto make = reinterpret_cast<decltype(&thaw_make_mpi_communicator)>(::dlsym(library, "thaw_make_mpi_communicator"));
  const auto version = reinterpret_cast<decltype(&thaw_mpi_library_version)>(::dlsym(library, "thaw_mpi_library_version"));
  const auto abi = reinterpret_cast<decltype(&thaw_mpi_abi)>(::dlsym(library, "thaw_mpi_abi"));
  if (make == nullptr || version == nullptr || abi == nullptr || abi() != mpi_factory_abi)
    throw UsageError("{}: of another version of Thaw; build it again", beside.string());
  std::shared_ptr<Communicator> comm(make());
  if (comm->size() == 1)
    throw UsageError("{}={}: a launcher started {} ranks, but each finds itself alone: it is of another MPI than libthaw_mpi.so ({}). "
                     "Start with that MPI's own mpirun, or under Slurm with: srun --mpi=pmix -n {} thaw …",
                     world.launcher, world.size, world.size, version(), world.size);
  return comm;
}

}  // namespace thaw
