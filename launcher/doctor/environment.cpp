#include "launcher/doctor/environment.h"

#include <ATen/Context.h>
#include <H5public.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "framework/base/machine.h"
#include "framework/base/text.h"
#include "framework/comm/device.h"
#include "framework/comm/library.h"

extern char** environ;

namespace thaw::doctor {
namespace {

constexpr std::array prefixes{"UCX_",   "NCCL_", "OMPI_MCA_", "PMIX_MCA_", "SLURM_", "MPICH_",
                              "I_MPI_", "FI_",   "OMP_",      "MKL_",      "THAW_",  "CUDA_VISIBLE"};
// What Open MPI's daemons tell their own ranks.
constexpr std::array internal{"OMPI_MCA_orte_", "OMPI_MCA_ess", "OMPI_MCA_pmix", "OMPI_MCA_initial_wdir", "OMPI_MCA_shmem_"};
constexpr std::array secrets{"TOKEN", "JWT", "SECRET", "PASSWORD", "_KEY"};

template <typename Names, typename Test>
bool any(const Names& names, Test test) {
  return std::any_of(names.begin(), names.end(), test);
}

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace

Json versions(const LaunchedWorld& world) {
  Json mpi;
  if (world.size > 1) {
    void* const library = Library("libthaw_mpi.so").load();
    const auto version = library == nullptr ? nullptr : symbol_in<const char*()>(library, "thaw_mpi_library_version");
    if (version != nullptr) mpi = version();
  }
  const std::string nccl = nccl_version();
  return {{"thaw", THAW_VERSION},
          {"libtorch", THAW_TORCH_VERSION},
          {"hdf5", hdf5_version()},
          {"mpi", mpi},
          {"nccl", nccl.empty() ? Json() : Json(nccl)}};
}

Json settings() {
  Json found = Json::object();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    const auto begins = [&](const char* prefix) { return name.starts_with(prefix); };
    if (!any(prefixes, begins) || any(internal, begins)) continue;
    const bool secret = any(secrets, [&](const char* part) { return name.find(part) != std::string_view::npos; });
    found[std::string(name)] = secret ? "(set)" : std::string(text.substr(std::min(text.size(), name.size() + 1)));
  }
  return found;
}

Json machine_of(const LaunchedWorld& world) {
  const Machine machine = this_machine();
  return {{"host", machine.host},
          {"pid", ::getpid()},
          {"cpu", machine.cpu},
          {"cores", machine.cores_of_machine},
          {"cores_allowed", machine.cores_allowed},
          {"cpu_quota", machine.cpu_quota > 0 ? Json(machine.cpu_quota) : Json()},
          {"affinity", machine.affinity},
          {"memory_bytes", machine.memory_bytes},
          {"binding_warning", binding_warning(machine, world.local_size, world.launcher)}};
}

Json gpus() {
  Json names = Json::array();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    std::ifstream file(entry.path() / "information");
    for (std::string line; std::getline(file, line);)
      if (line.starts_with("Model:")) names.push_back(std::string(trim(line.substr(6))));
  }
  const auto usable = at::getNumGPUs();
  if (names.empty() && usable > 0) names = Json(static_cast<std::size_t>(usable), "GPU");
  return {{"names", names}, {"usable", usable}};
}

}  // namespace thaw::doctor
