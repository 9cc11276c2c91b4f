// Time of one step's gradient sums: `mpirun -n 2 bench_all_reduce [MB]`. THAW_NODE_REDUCE=0 takes MPI's own all-reduce.
// All buckets are begun, then waited for; the last line of each bucket size is the median and least of 15 rounds, in ms.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "framework/comm/communicator.h"

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  const double megabytes = argc > 1 ? std::atof(argv[1]) : 91;
  const auto comm = thaw::connect(thaw::launched_world());
  std::vector<float> values(static_cast<std::size_t>(megabytes * 1e6 / sizeof(float)), 1.0F);
  for (const std::size_t bucket_mib : {4, 8, 25, 100}) {
    const std::size_t bucket = (bucket_mib << 20) / sizeof(float);
    std::vector<double> times;
    for (int round = 0; round < 15; ++round) {
      std::fill(values.begin(), values.end(), 1.0F);
      comm->barrier();
      const auto start = Clock::now();
      std::vector<std::unique_ptr<thaw::Request>> open;
      for (std::size_t at = 0; at < values.size(); at += bucket)
        open.push_back(comm->all_reduce_async(values.data() + at, std::min(bucket, values.size() - at), thaw::CommType::f32));
      for (const auto& request : open) request->wait();
      times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    }
    std::sort(times.begin(), times.end());
    if (comm->rank() == 0)
      fmt::print("{} ranks, {} MB in buckets of {} MiB: median {:.1f} ms, least {:.1f} ms, first value {}\n", comm->size(), megabytes,
                 bucket_mib, times[times.size() / 2], times.front(), values[0]);
  }
}
