// The way to the GPUs: libthaw_cuda.so, which the program is not linked with and loads where it lies beside it.
#pragma once

#include <memory>
#include <string>

#include "framework/comm/communicator.h"

namespace thaw {

// Loads libthaw_cuda.so, and with it LibTorch's CUDA half. False where there is none: then all runs on the CPU.
// This must be the first act of `main`: once ATen was asked for CUDA without it (at::manual_seed does), it stays without.
// Throws UsageError where the library is there and cannot be loaded.
bool load_cuda();

// Reductions between GPU buffers by NCCL, over the ranks of `host` (which carries the first handshake, node splits and
// abort). `device`: this rank's GPU. Collective; load_cuda() said true before.
std::unique_ptr<Communicator> connect_devices(const std::shared_ptr<Communicator>& host, int device);

// "NCCL 2.28.9 (/path/to/libnccl.so.2)": which was loaded, for `thaw doctor`. Empty without load_cuda().
std::string nccl_version();

}  // namespace thaw
