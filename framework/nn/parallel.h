// Work that a rank's threads share.
#pragma once

#include <cstdint>
#include <functional>

namespace thaw {

// at::parallel_for: work(first, last) for parts of [begin, end) that are of `grain` or more, on LibTorch's threads; nested, on one. That
// is a template which does all on one thread where it is compiled without OpenMP, so it is compiled once, with it.
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  const std::function<void(std::int64_t first, std::int64_t last)>& work);

}  // namespace thaw
