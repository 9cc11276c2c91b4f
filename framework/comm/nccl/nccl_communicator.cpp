// Communicator between GPU buffers over NCCL, on a stream of its own: a collective begins after what the current torch
// stream had been given before the call. A call, or the wait of a request, returns when the GPU has finished; until
// then it asks both the event and NCCL, so that a lost peer becomes an error instead of a wait without end.
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <dlfcn.h>

#include <cstdlib>
#include <exception>
#include <functional>
#include <thread>

#include "framework/comm/nccl/check.h"
#include "framework/comm/nccl/factory.h"

namespace thaw {
namespace {

// The handle, shared by the communicator and its open requests. After an error it is aborted, and no more than that.
class NcclHandle {
 public:
  explicit NcclHandle(Communicator& host) {
    ncclUniqueId id;
    if (host.rank() == 0) check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
    host.broadcast(&id, sizeof id, 0);
    check_nccl(ncclCommInitRank(&comm_, host.size(), id, host.rank()), "ncclCommInitRank");
  }
  ~NcclHandle() {
    if (comm_ == nullptr) return;
    if (std::uncaught_exceptions() > 0) ncclCommAbort(comm_);  // destroying waits for the peers
    else ncclCommDestroy(comm_);
  }
  NcclHandle(const NcclHandle&) = delete;
  NcclHandle& operator=(const NcclHandle&) = delete;

  ncclComm_t get() const {
    if (comm_ == nullptr) throw CommError("NCCL: used after an error ended it");
    return comm_;
  }
  void check_async() {
    ncclResult_t code = ncclSuccess;
    check_nccl(ncclCommGetAsyncError(get(), &code), "ncclCommGetAsyncError");
    if (code == ncclSuccess || code == ncclInProgress) return;
    abort();
    check_nccl(code, "NCCL, while a collective ran");
  }
  void abort() {
    if (comm_ != nullptr) ncclCommAbort(comm_);
    comm_ = nullptr;
  }

 private:
  ncclComm_t comm_ = nullptr;
};

class NcclRequest final : public Request {
 public:
  NcclRequest(std::shared_ptr<NcclHandle> handle, cudaStream_t stream) : handle_(std::move(handle)) {
    check_cuda(cudaEventRecord(end_.get(), stream), "cudaEventRecord");
  }
  ~NcclRequest() override {
    if (!done_ && std::uncaught_exceptions() == 0) cudaEventSynchronize(end_.get());
  }
  bool test() override {
    if (done_) return true;
    const cudaError_t code = cudaEventQuery(end_.get());
    if (code != cudaErrorNotReady) check_cuda(code, "all_reduce on the GPU");
    else handle_->check_async();
    return done_ = code == cudaSuccess;
  }
  void wait() override {
    for (int turns = 0; !test(); ++turns)
      if (turns > 1000) std::this_thread::yield();
  }

 private:
  std::shared_ptr<NcclHandle> handle_;
  CudaEvent end_;
  bool done_ = false;
};

ncclDataType_t nccl_type(CommType type) {
  switch (type) {
    case CommType::u8: return ncclUint8;
    case CommType::i64: return ncclInt64;
    case CommType::bf16: return ncclBfloat16;
    case CommType::f32: return ncclFloat32;
    case CommType::f64: return ncclFloat64;
  }
  return ncclUint8;
}

ncclRedOp_t nccl_op(CommOp op) { return op == CommOp::sum ? ncclSum : op == CommOp::max ? ncclMax : ncclMin; }

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::shared_ptr<Communicator> host, int device)
      : host_(std::move(host)),
        device_(device),
        guard_(static_cast<c10::DeviceIndex>(device)),
        token_(1),
        handle_(std::make_shared<NcclHandle>(*host_)) {
    guard_.reset();
  }

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  const char* backend() const override { return "nccl"; }

  std::unique_ptr<Communicator> split_node() override {
    return std::make_unique<NcclCommunicator>(std::shared_ptr<Communicator>(host_->split_node()), device_);
  }
  std::unique_ptr<Communicator> split(int colour) override {
    return std::make_unique<NcclCommunicator>(std::shared_ptr<Communicator>(host_->split(colour)), device_);
  }
  // No ncclCommAbort first: it may wait for the GPU, and the processes that it would free are ended here.
  [[noreturn]] void abort(int exit_code) override {
    host_->abort(exit_code);
    std::_Exit(exit_code);
  }

 protected:
  void do_barrier() override {
    run("ncclAllReduce", [&] {
      return ncclAllReduce(token_.get(), token_.get(), 1, ncclUint8, ncclMax, handle_->get(), stream_.get());
    })->wait();
  }
  void do_broadcast(void* data, std::size_t bytes, int root) override {
    run("ncclBroadcast", [&] { return ncclBroadcast(data, data, bytes, ncclUint8, root, handle_->get(), stream_.get()); })->wait();
  }
  std::unique_ptr<Request> do_all_reduce(void* data, std::size_t count, CommType type, CommOp op) override {
    if (type == CommType::bf16 && op != CommOp::sum)
      throw CommError(ExitCode::bug, "all_reduce: expected a sum of bf16, found another operation");
    return run("ncclAllReduce",
               [&] { return ncclAllReduce(data, data, count, nccl_type(type), nccl_op(op), handle_->get(), stream_.get()); });
  }
  std::unique_ptr<Request> do_tree_sum(std::shared_ptr<const SumTree>, std::vector<float*>, float*, std::size_t) override {
    throw CommError("sums in a fixed order are not there for GPUs yet: leave `reproducible` out, or run on CPUs");
  }
  void do_all_gather(const void* data, std::size_t bytes, void* into) override {
    run("ncclAllGather", [&] { return ncclAllGather(data, into, bytes, ncclUint8, handle_->get(), stream_.get()); })->wait();
  }
  // NCCL matches messages by their order; tags are the order's own.
  void do_send(const void* data, std::size_t bytes, int to, int) override {
    if (bytes > 0) run("ncclSend", [&] { return ncclSend(data, bytes, ncclUint8, to, handle_->get(), stream_.get()); })->wait();
  }
  void do_receive(void* data, std::size_t bytes, int from, int) override {
    if (bytes > 0) run("ncclRecv", [&] { return ncclRecv(data, bytes, ncclUint8, from, handle_->get(), stream_.get()); })->wait();
  }

 private:
  // Puts `collective` on this communicator's stream, behind what the current torch stream holds by now.
  std::unique_ptr<NcclRequest> run(const char* what, const std::function<ncclResult_t()>& collective) {
    const auto device = static_cast<c10::DeviceIndex>(device_);
    const c10::cuda::CUDAGuard guard(device);
    const CudaEvent before;
    check_cuda(cudaEventRecord(before.get(), c10::cuda::getCurrentCUDAStream(device)), "cudaEventRecord");
    check_cuda(cudaStreamWaitEvent(stream_.get(), before.get(), 0), "cudaStreamWaitEvent");
    check_nccl(collective(), what);
    return std::make_unique<NcclRequest>(handle_, stream_.get());
  }

  std::shared_ptr<Communicator> host_;
  int device_;
  c10::cuda::OptionalCUDAGuard guard_;  // what stands below is made on this rank's GPU
  CudaStream stream_;
  CudaBytes token_;
  std::shared_ptr<NcclHandle> handle_;
};

}  // namespace
}  // namespace thaw

extern "C" {

int thaw_cuda_abi() { return thaw::cuda_factory_abi; }

thaw::Communicator* thaw_make_nccl_communicator(const std::shared_ptr<thaw::Communicator>& host, int device) {
  return new thaw::NcclCommunicator(host, device);
}

const char* thaw_nccl_version() {
  static const std::string text = [] {
    int version = 0;
    ncclGetVersion(&version);
    Dl_info from{};
    ::dladdr(reinterpret_cast<void*>(&ncclGetVersion), &from);
    return fmt::format("NCCL {}.{}.{} ({})", version / 10000, version / 100 % 100, version % 100,
                       from.dli_fname == nullptr ? "" : from.dli_fname);
  }();
  return text.c_str();
}

}  // extern "C"
