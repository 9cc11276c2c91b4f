// The watchdog's view under fire: one thread runs collectives as fast as it can, others read whole entries all the time.
// tests/stages/tsan.sh runs it under the thread sanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "framework/comm/communicator.h"

namespace thaw {
namespace {

TEST(Current, ReadersSeeWholeEntries) {
  const auto comm = make_single_communicator();
  std::atomic<bool> ended{false};
  std::atomic<std::uint64_t> torn{0}, seen{0};
  // Odd collectives are barriers of 0 bytes, even ones broadcasts of 16.
  const auto watch = [&] {
    std::uint64_t last = 0;
    while (!ended) {
      const CurrentCollective now = comm->current();
      const std::string name = now.name;
      const bool whole =
          name.empty()
              ? now.bytes == 0 && now.since_ns == 0
              : (now.sequence % 2 == 1 ? name == "barrier" && now.bytes == 0 : name == "broadcast" && now.bytes == 16) && now.since_ns > 0;
      if (!whole || now.sequence < last) ++torn;
      if (!name.empty()) ++seen;
      last = now.sequence;
    }
  };
  std::thread first(watch), second(watch);
  char data[16];
  for (int i = 0; i < 200000 || (seen == 0 && i < 20000000); ++i) {
    comm->barrier();
    comm->broadcast(data, sizeof data, 0);
  }
  ended = true;
  first.join();
  second.join();
  EXPECT_EQ(torn, 0U);
  EXPECT_GT(seen, 0U) << "no reader saw a collective: the test tested nothing";
}

}  // namespace
}  // namespace thaw
