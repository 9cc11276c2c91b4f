// Loading libthaw_cuda.so gives ATen its CUDA half: without a GPU it says that there is no driver, not that it was built
// without CUDA.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "framework/comm/device.h"

namespace thaw {
namespace {

const bool loaded = load_cuda();  // before any test asks ATen for CUDA

TEST(LoadCuda, HooksAreTheRealOnes) {
  ASSERT_TRUE(loaded);
  at::manual_seed(1);
  if (at::hasCUDA()) {
    EXPECT_EQ(at::ones({2}, at::kCUDA).sum().item<float>(), 2);
    return;
  }
  try {
    at::ones({2}, at::kCUDA);
    FAIL() << "a GPU that is not there was used";
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("NVIDIA driver"), std::string::npos) << error.what();
  }
}

TEST(LoadCuda, NcclIsTheOneBesideTorch) {
  EXPECT_NE(nccl_version().find("NCCL 2."), std::string::npos) << nccl_version();
  EXPECT_NE(nccl_version().find(THAW_NCCL_LIBRARY), std::string::npos) << nccl_version();
}

}  // namespace
}  // namespace thaw
