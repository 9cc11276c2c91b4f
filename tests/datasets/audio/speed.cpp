#include <fmt/format.h>
#include <chrono>
#include "datasets/audio/log_mel.h"
using namespace thaw::audio;
int main() {
  std::vector<float> x(480000);
  for (size_t i = 0; i < x.size(); i++) x[i] = 0.1f * float((i * 2654435761u) % 1000) / 1000.f;
  LogMel m;
  for (int r = 0; r < 5; r++) {
    auto b = std::chrono::steady_clock::now();
    float s = 0;
    for (int i = 0; i < 10; i++) s += m(x).values[i];
    double d = std::chrono::duration<double>(std::chrono::steady_clock::now() - b).count();
    fmt::print("{} {:.3f} ms {}\n", spectrum_kernel().name, d * 100, s);
  }
}
