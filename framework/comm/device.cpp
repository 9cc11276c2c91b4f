#include "framework/comm/device.h"

#include "framework/base/error.h"
#include "framework/comm/library.h"
#include "framework/comm/nccl/factory.h"

namespace thaw {
namespace {

// What load_cuda() loaded, or null: the loader itself remembers.
void* loaded() { return ::dlopen(Library("libthaw_cuda.so").name.c_str(), RTLD_NOW | RTLD_NOLOAD); }

template <typename Function>
Function* needed(const char* name) {
  void* const library = loaded();
  if (library == nullptr)
    throw UsageError(
        "libthaw_cuda.so was not loaded: there is none beside the program; build it with cmake --preset cuda, or run on the "
        "CPU");
  Function* const function = symbol_in<Function>(library, name);
  if (function == nullptr) throw UsageError("libthaw_cuda.so: expected {} in it; build it again", name);
  return function;
}

}  // namespace

bool load_cuda() {
  const Library file("libthaw_cuda.so");
  void* const library = file.load();
  if (library == nullptr) {
    if (!file.beside) return false;
    throw UsageError(
        "{}: cannot be loaded: {}. cluster/setup.sh --cuda fetches the libraries that it names; or remove it to run on the "
        "CPU",
        file.name, ::dlerror());
  }
  const auto abi = symbol_in<int()>(library, "thaw_cuda_abi");
  if (abi == nullptr || abi() != cuda_factory_abi)
    throw UsageError("{}: expected version {} of its interface, found {}: it is of another version of Thaw; build both together", file.name,
                     cuda_factory_abi, abi == nullptr ? 0 : abi());
  return true;
}

std::unique_ptr<Communicator> connect_devices(const std::shared_ptr<Communicator>& host, int device) {
  const auto make = needed<Communicator*(const std::shared_ptr<Communicator>&, int)>("thaw_make_nccl_communicator");
  return std::unique_ptr<Communicator>(make(host, device));
}

std::string nccl_version() {
  if (loaded() == nullptr) return "";
  return needed<const char*()>("thaw_nccl_version")();
}

}  // namespace thaw
