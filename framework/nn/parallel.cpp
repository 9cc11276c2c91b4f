#include "framework/nn/parallel.h"

#include <ATen/Parallel.h>

namespace thaw {

void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  const std::function<void(std::int64_t first, std::int64_t last)>& work) {
  at::parallel_for(begin, end, grain, work);
}

}  // namespace thaw
