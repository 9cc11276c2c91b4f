// The small libraries that the program loads when it runs: they lie beside it, or where the system's loader looks.
#pragma once

#include <dlfcn.h>

#include <filesystem>
#include <string>

namespace thaw {

struct Library {
  std::string name;              // the path, or the bare name where the loader looks for it
  std::filesystem::path folder;  // the program's
  bool beside = false;           // it lies beside the program

  explicit Library(const char* file) {
    std::error_code error;
    folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
    beside = std::filesystem::exists(folder / file, error);
    name = beside ? (folder / file).string() : file;
  }
  // Null where it cannot be loaded; ::dlerror() says why. GLOBAL: plug-ins of MPI and NCCL look symbols up there. It is
  // never unloaded.
  void* load() const { return ::dlopen(name.c_str(), RTLD_NOW | RTLD_GLOBAL); }
};

template <typename Function>
Function* symbol_in(void* library, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(library, name));
}

}  // namespace thaw
