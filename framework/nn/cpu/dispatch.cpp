#include <cstdlib>
#include <string_view>

#include "framework/nn/cpu/kernels.h"

namespace thaw::cpu {

const Kernels& kernels() {
  static const Kernels& chosen = []() -> const Kernels& {
    const char* const asked = std::getenv("THAW_ISA");
    const std::string_view most = asked != nullptr ? asked : "avx512";
    if (most == "avx512" && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
      return kernels_avx512();
    if (most != "base" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kernels_avx2();
    return kernels_base();
  }();
  return chosen;
}

}  // namespace thaw::cpu
