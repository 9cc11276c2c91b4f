// Communicator over MPI: standard MPI-3.1 calls only, so that any site's MPI will do.
#include <mpi.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <exception>

#include "framework/base/error.h"
#include "framework/comm/mpi/factory.h"

namespace thaw {
namespace {

constexpr std::size_t most_at_once = std::size_t{1} << 30;  // counts are int in MPI-3

void check(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw CommError("{}: {}", what, std::string(text, static_cast<std::size_t>(length)));
}

// MPI has no bfloat16: pairs are added in fp32 and rounded.
void sum_bf16(void* in, void* inout, int* count, MPI_Datatype*) {
  const auto* a = static_cast<const std::uint16_t*>(in);
  auto* b = static_cast<std::uint16_t*>(inout);
  for (int i = 0; i < *count; ++i) {
    const float sum = std::bit_cast<float>(static_cast<std::uint32_t>(a[i]) << 16) + std::bit_cast<float>(static_cast<std::uint32_t>(b[i]) << 16);
    const auto bits = std::bit_cast<std::uint32_t>(sum);
    b[i] = sum != sum ? std::uint16_t{0x7FC0} : static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
  }
}

class MpiRequest final : public Request {
 public:
  explicit MpiRequest(std::vector<MPI_Request> requests) : requests_(std::move(requests)) {}
  ~MpiRequest() override {
    // MPI still writes into the buffer: wait, but never from a destructor that an error runs.
    if (!requests_.empty() && std::uncaught_exceptions() == 0) MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
  }
  bool test() override {
    int done = 1;
    check(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, MPI_STATUSES_IGNORE), "MPI_Testall");
    if (done != 0) requests_.clear();
    return done != 0;
  }
  void wait() override {
    check(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
    requests_.clear();
  }

 private:
  std::vector<MPI_Request> requests_;
};

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(MPI_Comm comm, bool world) : comm_(comm), world_(world) {
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm_, &rank_);
    MPI_Comm_size(comm_, &size_);
    MPI_Op_create(sum_bf16, 1, &bf16_sum_);
  }
  ~MpiCommunicator() override {
    if (std::uncaught_exceptions() > 0) return;  // finalising would wait for ranks that may never come
    MPI_Op_free(&bf16_sum_);
    if (world_) MPI_Finalize();
    else MPI_Comm_free(&comm_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const char* backend() const override { return "mpi"; }

  std::unique_ptr<Communicator> split_node() override {
    MPI_Comm node = MPI_COMM_NULL;
    check(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node), "MPI_Comm_split_type");
    return std::make_unique<MpiCommunicator>(node, false);
  }
  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 protected:
  void do_barrier() override { check(MPI_Barrier(comm_), "MPI_Barrier"); }

  void do_broadcast(void* data, std::size_t bytes, int root) override {
    for (std::size_t at = 0; at < bytes; at += most_at_once)
      check(MPI_Bcast(static_cast<char*>(data) + at, static_cast<int>(std::min(most_at_once, bytes - at)), MPI_BYTE, root, comm_), "MPI_Bcast");
  }

  std::unique_ptr<Request> do_all_reduce(void* data, std::size_t count, CommType type, CommOp op) override {
    if (type == CommType::bf16 && op != CommOp::sum) throw CommError(ExitCode::bug, "all_reduce: bf16 can be summed alone");
    std::vector<MPI_Request> requests;
    const std::size_t chunk = most_at_once / size_of(type);
    for (std::size_t at = 0; at < count; at += chunk) {
      requests.emplace_back();
      check(MPI_Iallreduce(MPI_IN_PLACE, static_cast<char*>(data) + at * size_of(type), static_cast<int>(std::min(chunk, count - at)), mpi_type(type),
                           type == CommType::bf16 ? bf16_sum_ : mpi_op(op), comm_, &requests.back()),
            "MPI_Iallreduce");
    }
    return std::make_unique<MpiRequest>(std::move(requests));
  }

  void do_all_gather(const void* data, std::size_t bytes, void* into) override {
    if (bytes <= most_at_once) {
      check(MPI_Allgather(data, static_cast<int>(bytes), MPI_BYTE, into, static_cast<int>(bytes), MPI_BYTE, comm_), "MPI_Allgather");
      return;
    }
    std::memcpy(static_cast<char*>(into) + bytes * static_cast<std::size_t>(rank_), data, bytes);
    for (int root = 0; root < size_; ++root) do_broadcast(static_cast<char*>(into) + bytes * static_cast<std::size_t>(root), bytes, root);
  }

  void do_send(const void* data, std::size_t bytes, int to, int tag) override {
    for (std::size_t at = 0; at == 0 || at < bytes; at += most_at_once)
      check(MPI_Send(static_cast<const char*>(data) + at, static_cast<int>(std::min(most_at_once, bytes - at)), MPI_BYTE, to, tag, comm_), "MPI_Send");
  }

  void do_receive(void* data, std::size_t bytes, int from, int tag) override {
    for (std::size_t at = 0; at == 0 || at < bytes; at += most_at_once) {
      const int expected = static_cast<int>(std::min(most_at_once, bytes - at));
      MPI_Status status;
      check(MPI_Recv(static_cast<char*>(data) + at, expected, MPI_BYTE, from, tag, comm_, &status), "MPI_Recv");
      int got = 0;
      MPI_Get_count(&status, MPI_BYTE, &got);
      if (got != expected) throw CommError(ExitCode::bug, "receive from rank {}: expected {} bytes, found {}", from, expected, got);
    }
  }

 private:
  static MPI_Datatype mpi_type(CommType type) {
    switch (type) {
      case CommType::u8: return MPI_UINT8_T;
      case CommType::i64: return MPI_INT64_T;
      case CommType::bf16: return MPI_UINT16_T;
      case CommType::f32: return MPI_FLOAT;
      case CommType::f64: return MPI_DOUBLE;
    }
    return MPI_BYTE;
  }
  static MPI_Op mpi_op(CommOp op) { return op == CommOp::sum ? MPI_SUM : op == CommOp::max ? MPI_MAX : MPI_MIN; }

  MPI_Comm comm_;
  bool world_;
  int rank_ = 0, size_ = 1;
  MPI_Op bf16_sum_ = MPI_OP_NULL;
};

}  // namespace
}  // namespace thaw

extern "C" {

thaw::Communicator* thaw_make_mpi_communicator() {
  int provided = 0;
  thaw::check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  return new thaw::MpiCommunicator(MPI_COMM_WORLD, true);
}

const char* thaw_mpi_library_version() {
  static char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  if (char* const comma = std::strchr(text, ','); comma != nullptr) *comma = '\0';  // the rest is who built it
  if (char* const line = std::strchr(text, '\n'); line != nullptr) *line = '\0';
  return text;
}

int thaw_mpi_abi() { return thaw::mpi_factory_abi; }

}  // extern "C"
