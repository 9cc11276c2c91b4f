// The tests of body_test.cpp over NCCL, on every rank of a launcher's world: rank r on GPU r modulo their number. Ranks that
// share a GPU are told to NCCL as ranks of different hosts, which it would refuse on one.
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "framework/base/error.h"
#include "framework/comm/device.h"
#include "tests/comm/ranks.h"

namespace thaw::ranked {

World& world() {
  static World the;
  return the;
}

namespace {

void check(cudaError_t code) {
  if (code != cudaSuccess) throw CommError("{}", cudaGetErrorString(code));
}

class GpuMemory final : public Memory {
 public:
  std::shared_ptr<void> allocate(std::size_t bytes) override {
    void* data = nullptr;
    check(cudaMalloc(&data, bytes));
    return std::shared_ptr<void>(data, [](void* memory) { cudaFree(memory); });
  }
  void copy(void* into, const void* from, std::size_t bytes) override {
    if (bytes > 0) check(cudaMemcpy(into, from, bytes, cudaMemcpyDefault));
  }
};

class NeedsGpu final : public ::testing::Environment {
  void SetUp() override {
    if (world().comm == nullptr) GTEST_SKIP() << "no GPU here";
  }
};

}  // namespace
}  // namespace thaw::ranked

int main(int argc, char** argv) {
  using namespace thaw;
  try {
    if (!load_cuda()) throw UsageError("libthaw_cuda.so does not lie beside this program");
    ::testing::InitGoogleTest(&argc, argv);
    ::testing::AddGlobalTestEnvironment(new ranked::NeedsGpu);
    const std::shared_ptr<Communicator> host = connect(launched_world());
    int gpus = 0;
    if (cudaGetDeviceCount(&gpus) == cudaSuccess && gpus > 0) {
      if (host->size() > gpus) ::setenv("NCCL_HOSTID", std::to_string(host->rank()).c_str(), 1);
      const int device = host->rank() % gpus;
      ranked::check(cudaSetDevice(device));
      ranked::world().memory = std::make_unique<ranked::GpuMemory>();
      ranked::world().comm = connect_devices(host, device);
      if (host->rank() == 0) fmt::print("{}, {} ranks on {} GPUs\n", nccl_version(), host->size(), gpus);
    }
    std::int64_t failed = RUN_ALL_TESTS();
    host->all_reduce(&failed, 1, CommType::i64, CommOp::max);
    ranked::world() = {};
    return static_cast<int>(failed);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
