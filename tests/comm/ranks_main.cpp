// Runs the tests on every rank of a launcher's world; the exit code tells of every rank. One word as argument plays a
// scenario instead, for tests that look at how a whole job ends (launch_test.cpp).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

#include "framework/base/error.h"
#include "tests/comm/ranks.h"

namespace thaw::ranked {

World& world() {
  static World the;
  return the;
}

namespace {

class HostMemory final : public Memory {
 public:
  std::shared_ptr<void> allocate(std::size_t bytes) override {
    return std::shared_ptr<void>(new char[bytes], [](void* memory) { delete[] static_cast<char*>(memory); });
  }
  void copy(void* into, const void* from, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(into, from, bytes);
  }
};

// The last rank fails alone, while the others are in `collective`.
int one_fails(Communicator& comm, std::string_view collective) {
  try {
    std::vector<float> values(3000000);
    comm.barrier();
    if (comm.rank() == comm.size() - 1) throw DataError("row 7: this rank alone saw it");
    if (collective == "barrier") comm.barrier();
    if (collective == "all_reduce") comm.all_reduce(values.data(), values.size(), CommType::f32);
    if (collective == "receive") comm.receive(values.data(), 8, comm.size() - 1, 0);
  } catch (const Error& error) {
    fmt::print(stderr, "rank {}: {}\n", comm.rank(), error.what());
    comm.abort(static_cast<int>(error.code()));
  }
  return 0;
}

// Every rank fails while a sum is open: unwinding must not wait in MPI.
int all_unwind(LaunchedWorld launched) {
  int rank = 0;
  try {
    const auto comm = connect(launched);
    rank = comm->rank();
    std::vector<float> values(3000000);
    std::unique_ptr<Request> request;
    if (rank != 0) request = comm->all_reduce_async(values.data(), values.size(), CommType::f32);
    throw DataError("rank {} ends without its peers", rank);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    std::fflush(stderr);
    std::_Exit(static_cast<int>(error.code()));
  }
}

}  // namespace
}  // namespace thaw::ranked

int main(int argc, char** argv) {
  using namespace thaw;
  ::testing::InitGoogleTest(&argc, argv);
  const std::string_view scenario = argc > 1 ? argv[1] : "";
  try {
    const LaunchedWorld launched = launched_world();
    if (scenario == "unwind") return ranked::all_unwind(launched);
    ranked::World& world = ranked::world();
    world.comm = connect(launched);
    world.memory = std::make_unique<ranked::HostMemory>();
    if (scenario.starts_with("fail-in-")) return ranked::one_fails(*world.comm, scenario.substr(8));
    // Rank 0 tells the story, the others only what failed.
    if (world.comm->rank() != 0) {
      auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
      class Failures final : public ::testing::EmptyTestEventListener {
        void OnTestPartResult(const ::testing::TestPartResult& result) override {
          if (result.failed())
            fmt::print(stderr, "rank {}: {}:{}: {}\n", ranked::world().comm->rank(), result.file_name() ? result.file_name() : "",
                       result.line_number(), result.message());
        }
      };
      delete listeners.Release(listeners.default_result_printer());
      listeners.Append(new Failures);
    }
    std::int64_t failed = RUN_ALL_TESTS();
    world.comm->all_reduce(&failed, 1, CommType::i64, CommOp::max);
    if (world.comm->rank() == 0)
      fmt::print("backend {}, {} ranks, launcher {}\n", world.comm->backend(), world.comm->size(), launched.launcher);
    world.comm.reset();
    return static_cast<int>(failed);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
