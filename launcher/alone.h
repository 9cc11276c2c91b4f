// What commands that compute without other ranks do first.
#pragma once

#include <cstdint>

namespace thaw {

// So many threads, or those that this process's cores are good for where `threads` is 0.
void compute_alone(std::int64_t threads);

}  // namespace thaw
