// Communicator over MPI: standard MPI-3.1 calls only, so that any site's MPI will do. One thread a rank calls it (FUNNELED).
// Where all ranks share a node, floats are summed through shared memory (node_reduce.h) instead.
#include <mpi.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <exception>
#include <thread>

#include "framework/comm/mpi/check.h"
#include "framework/comm/mpi/factory.h"
#include "framework/comm/mpi/node_reduce.h"
#include "framework/comm/mpi/tree_sums.h"

namespace thaw {
namespace {

constexpr std::size_t most_at_once = std::size_t{1} << 30;  // counts are int in MPI-3

// MPI has no bfloat16: pairs are added in fp32 and rounded to the nearest, ties to even.
void sum_bf16(void* in, void* inout, int* count, MPI_Datatype*) {
  const auto* a = static_cast<const std::uint16_t*>(in);
  auto* b = static_cast<std::uint16_t*>(inout);
  for (int i = 0; i < *count; ++i) {
    const float sum =
        std::bit_cast<float>(static_cast<std::uint32_t>(a[i]) << 16) + std::bit_cast<float>(static_cast<std::uint32_t>(b[i]) << 16);
    const auto bits = std::bit_cast<std::uint32_t>(sum);
    b[i] = sum != sum ? std::uint16_t{0x7FC0} : static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
  }
}

// Waits for what MPI does while moving this rank's sums in shared memory along: a rank that waits there needs them.
void wait_all(std::vector<MPI_Request>& requests, NodeReduce* node, const char* what) {
  const int count = static_cast<int>(requests.size());
  int done = 0;
  while (done == 0 && node != nullptr && !node->idle()) {
    check_mpi(MPI_Testall(count, requests.data(), &done, MPI_STATUSES_IGNORE), what);
    node->progress();
  }
  if (done == 0) check_mpi(MPI_Waitall(count, requests.data(), MPI_STATUSES_IGNORE), what);
  requests.clear();
}

class MpiRequest final : public Request {
 public:
  MpiRequest(std::vector<MPI_Request> requests, std::shared_ptr<NodeReduce> node)
      : requests_(std::move(requests)), node_(std::move(node)) {}
  ~MpiRequest() override {
    // MPI still writes into the buffer: wait, but never from a destructor that an error runs.
    if (!requests_.empty() && std::uncaught_exceptions() == 0)
      MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
  }
  bool test() override {
    if (node_) node_->progress();
    if (requests_.empty()) return true;
    int done = 0;
    check_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, MPI_STATUSES_IGNORE), "MPI_Testall");
    if (done != 0) requests_.clear();
    return done != 0;
  }
  void wait() override { wait_all(requests_, node_.get(), "MPI_Iallreduce"); }

 private:
  std::vector<MPI_Request> requests_;
  std::shared_ptr<NodeReduce> node_;
};

// Of NodeReduce or TreeSums.
template <typename Sums>
class SumRequest final : public Request {
 public:
  SumRequest(std::shared_ptr<Sums> sums, std::uint64_t ticket) : sums_(std::move(sums)), ticket_(ticket) {}
  ~SumRequest() override {
    if (std::uncaught_exceptions() == 0) sums_->wait(ticket_);  // as above
  }
  bool test() override {
    if (!sums_->done(ticket_)) sums_->progress();
    return sums_->done(ticket_);
  }
  void wait() override { sums_->wait(ticket_); }

 private:
  std::shared_ptr<Sums> sums_;
  std::uint64_t ticket_;
};

class MpiCommunicator final : public Communicator {
 public:
  // `node` is the world's, which the world alone adds to; the others move it along while they wait.
  MpiCommunicator(MPI_Comm comm, bool world, std::shared_ptr<NodeReduce> node) : comm_(comm), world_(world), node_(std::move(node)) {
    check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check_mpi(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
    check_mpi(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
    check_mpi(MPI_Op_create(sum_bf16, 1, &bf16_sum_), "MPI_Op_create");
    if (world_) node_ = NodeReduce::make(comm_);
  }
  // While an error is under way nothing is freed: that would wait for ranks that may never come. The caller aborts.
  ~MpiCommunicator() override {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (std::uncaught_exceptions() > 0 || finalized != 0) return;
    MPI_Op_free(&bf16_sum_);
    node_.reset();
    tree_sums_.reset();
    if (world_) MPI_Finalize();
    else MPI_Comm_free(&comm_);
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const char* backend() const override { return "mpi"; }

  std::unique_ptr<Communicator> split_node() override {
    drain();
    MPI_Comm node = MPI_COMM_NULL;
    check_mpi(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node), "MPI_Comm_split_type");
    return std::make_unique<MpiCommunicator>(node, false, node_);
  }
  std::unique_ptr<Communicator> split(int colour) override {
    drain();
    MPI_Comm part = MPI_COMM_NULL;
    check_mpi(MPI_Comm_split(comm_, colour, rank_, &part), "MPI_Comm_split");
    return std::make_unique<MpiCommunicator>(part, false, node_);
  }
  // MPICH's launcher may drop what a rank has just written once it ends the job: the reason is given time to arrive.
  [[noreturn]] void abort(int exit_code) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 protected:
  void do_barrier() override {
    drain();
    check_mpi(MPI_Barrier(comm_), "MPI_Barrier");
  }

  void do_broadcast(void* data, std::size_t bytes, int root) override {
    drain();
    for (std::size_t at = 0; at < bytes; at += most_at_once)
      check_mpi(MPI_Bcast(static_cast<char*>(data) + at, static_cast<int>(std::min(most_at_once, bytes - at)), MPI_BYTE, root, comm_),
                "MPI_Bcast");
  }

  std::unique_ptr<Request> do_all_reduce(void* data, std::size_t count, CommType type, CommOp op) override {
    if (type == CommType::bf16 && op != CommOp::sum)
      throw CommError(ExitCode::bug, "all_reduce: expected a sum of bf16, found another operation");
    if (world_ && node_ && type == CommType::f32 && op == CommOp::sum)
      return std::make_unique<SumRequest<NodeReduce>>(node_, node_->add(static_cast<float*>(data), count));
    std::vector<MPI_Request> requests;
    const std::size_t chunk = most_at_once / size_of(type);
    for (std::size_t at = 0; at < count; at += chunk) {
      requests.emplace_back();
      check_mpi(MPI_Iallreduce(MPI_IN_PLACE, static_cast<char*>(data) + at * size_of(type), static_cast<int>(std::min(chunk, count - at)),
                               mpi_type(type), type == CommType::bf16 ? bf16_sum_ : mpi_op(op), comm_, &requests.back()),
                "MPI_Iallreduce");
    }
    return std::make_unique<MpiRequest>(std::move(requests), node_);
  }

  std::unique_ptr<Request> do_tree_sum(std::shared_ptr<const SumTree> tree, std::vector<float*> pieces, float* sum,
                                       std::size_t count) override {
    if (world_ && node_ && tree->most_pieces() <= NodeReduce::most_pieces)
      return std::make_unique<SumRequest<NodeReduce>>(node_, node_->add(std::move(tree), std::move(pieces), sum, count));
    if (!tree_sums_) {
      drain();
      tree_sums_ = std::make_shared<TreeSums>(comm_);
    }
    return std::make_unique<SumRequest<TreeSums>>(tree_sums_, tree_sums_->add(std::move(tree), pieces, sum, count));
  }

  void do_all_gather(const void* data, std::size_t bytes, void* into) override {
    drain();
    if (bytes <= most_at_once) {
      check_mpi(MPI_Allgather(data, static_cast<int>(bytes), MPI_BYTE, into, static_cast<int>(bytes), MPI_BYTE, comm_), "MPI_Allgather");
      return;
    }
    std::memcpy(static_cast<char*>(into) + bytes * static_cast<std::size_t>(rank_), data, bytes);
    for (int root = 0; root < size_; ++root) do_broadcast(static_cast<char*>(into) + bytes * static_cast<std::size_t>(root), bytes, root);
  }

  void do_send(const void* data, std::size_t bytes, int to, int tag) override {
    for (std::size_t at = 0; at == 0 || at < bytes; at += most_at_once) {
      std::vector<MPI_Request> request(1);
      check_mpi(MPI_Isend(static_cast<const char*>(data) + at, static_cast<int>(std::min(most_at_once, bytes - at)), MPI_BYTE, to, tag,
                          comm_, request.data()),
                "MPI_Isend");
      wait_all(request, node_.get(), "MPI_Isend");
    }
  }

  void do_receive(void* data, std::size_t bytes, int from, int tag) override {
    for (std::size_t at = 0; at == 0 || at < bytes; at += most_at_once) {
      const int expected = static_cast<int>(std::min(most_at_once, bytes - at));
      // Looked at before it is received, so that a wrong size is told by what came instead of by a truncation.
      MPI_Status status;
      int here = 0;
      while (here == 0 && node_ && !node_->idle()) {
        check_mpi(MPI_Iprobe(from, tag, comm_, &here, &status), "MPI_Iprobe");
        node_->progress();
      }
      if (here == 0) check_mpi(MPI_Probe(from, tag, comm_, &status), "MPI_Probe");
      int got = 0;
      MPI_Get_count(&status, MPI_BYTE, &got);
      if (got != expected)
        throw CommError(ExitCode::bug, "receive from rank {}, tag {}: expected {} bytes, found {}", from, tag, expected, got);
      check_mpi(MPI_Recv(static_cast<char*>(data) + at, expected, MPI_BYTE, from, tag, comm_, MPI_STATUS_IGNORE), "MPI_Recv");
    }
  }

 private:
  // A collective makes every rank come to it, so every rank has begun the sums before it: finishing them first is safe,
  // and a rank that waits inside MPI would not move them.
  void drain() {
    if (node_) node_->drain();
  }
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
  std::shared_ptr<NodeReduce> node_;
  std::shared_ptr<TreeSums> tree_sums_;  // made when first asked for
  int rank_ = 0, size_ = 1;
  MPI_Op bf16_sum_ = MPI_OP_NULL;
};

}  // namespace
}  // namespace thaw

extern "C" {

thaw::Communicator* thaw_make_mpi_communicator() {
  int provided = 0;
  thaw::check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED)
    throw thaw::CommError("this MPI allows no threads beside the one that calls it (MPI_THREAD_FUNNELED): use a build that does");
  return new thaw::MpiCommunicator(MPI_COMM_WORLD, true, nullptr);
}

const char* thaw_mpi_library_version() {
  static char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  text[std::strcspn(text, ",\n")] = '\0';        // the rest is who built it
  std::replace(text, text + length, '\t', ' ');  // "MPICH Version:\t4.0.2"
  return text;
}

int thaw_mpi_abi() { return thaw::mpi_factory_abi; }

}  // extern "C"
