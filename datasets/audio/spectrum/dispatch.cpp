#include <cstdlib>
#include <string_view>

#include "datasets/audio/spectrum/kernels.h"

namespace thaw::audio {

const SpectrumKernel& spectrum_kernel() {
  static const SpectrumKernel& chosen = []() -> const SpectrumKernel& {
    const char* const asked = std::getenv("THAW_ISA");
    const std::string_view most = asked != nullptr ? asked : "avx512";
    if (most == "avx512" && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) return spectrum_kernel_avx512();
    if (most != "base" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return spectrum_kernel_avx2();
    return spectrum_kernel_base();
  }();
  return chosen;
}

}  // namespace thaw::audio
