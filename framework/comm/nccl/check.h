// The one check of NCCL's and of the CUDA runtime's return codes, and the handles that must be given back.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include "framework/base/error.h"

namespace thaw {

inline void check_nccl(ncclResult_t code, const char* what) {
  if (code == ncclSuccess || code == ncclInProgress) return;
  throw CommError("{}: {} ({}); NCCL_DEBUG=INFO tells more", what, ncclGetErrorString(code), ncclGetLastError(nullptr));
}

inline void check_cuda(cudaError_t code, const char* what) {
  if (code != cudaSuccess) throw CommError("{}: {} ({})", what, cudaGetErrorString(code), cudaGetErrorName(code));
}

class CudaEvent {
 public:
  CudaEvent() { check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags"); }
  ~CudaEvent() { cudaEventDestroy(event_); }  // also one that is still to come: CUDA keeps it until then
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

class CudaStream {
 public:
  CudaStream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
  ~CudaStream() { cudaStreamDestroy(stream_); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// A few bytes of GPU memory.
class CudaBytes {
 public:
  explicit CudaBytes(std::size_t bytes) {
    check_cuda(cudaMalloc(&data_, bytes), "cudaMalloc");
    check_cuda(cudaMemset(data_, 0, bytes), "cudaMemset");
  }
  ~CudaBytes() { cudaFree(data_); }
  CudaBytes(const CudaBytes&) = delete;
  CudaBytes& operator=(const CudaBytes&) = delete;
  void* get() const { return data_; }

 private:
  void* data_ = nullptr;
};

}  // namespace thaw
