// What libthaw_cuda.so exports to device.cpp.
#pragma once

#include <memory>

#include "framework/comm/communicator.h"

namespace thaw {
inline constexpr int cuda_factory_abi = 1;  // one more with every change of Communicator or of what stands below
}

extern "C" {
int thaw_cuda_abi();  // cuda_factory_abi when it was built; asked first
// Owned by the caller; throws CommError.
thaw::Communicator* thaw_make_nccl_communicator(const std::shared_ptr<thaw::Communicator>& host, int device);
const char* thaw_nccl_version();
}
