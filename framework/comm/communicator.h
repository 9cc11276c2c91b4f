// Communicator: every collective and message between ranks goes through here, so one process runs the same code.
// Buffers are raw memory (host for Single and Mpi, device for Nccl). Calls are made by one thread a rank, in the same
// order on every rank. While a call (or the wait of a request) runs, `current()` names it, for watchdogs on other threads.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "framework/comm/sum_tree.h"

namespace thaw {

enum class CommType { u8, i64, bf16, f32, f64 };
enum class CommOp { sum, max, min };
std::size_t size_of(CommType type);  // bytes

// What a rank waits in. Published under a sequence lock: a reader never sees half of it.
struct CurrentCollective {
  const char* name = "";  // "all_reduce", "broadcast", … ; "" between collectives
  std::uint64_t bytes = 0;
  std::uint64_t sequence = 0;  // counts the collectives of this communicator, the same on every rank; the last one's between them
  std::int64_t since_ns = 0;   // std::chrono::steady_clock
  double seconds() const;      // so far; 0 between collectives
};

// A reduction under way. Its buffer must live and stay untouched until `test` said true or `wait` returned.
class Request {
 public:
  virtual ~Request() = default;
  virtual bool test() = 0;  // makes progress; true once done
  virtual void wait() = 0;
};

std::unique_ptr<Request> done_already();

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual const char* backend() const = 0;  // "single", "mpi", "nccl"

  void barrier();
  void broadcast(void* data, std::size_t bytes, int root);
  void all_reduce(void* data, std::size_t count, CommType type, CommOp op = CommOp::sum);
  // The same, returning at once; several may be open, and complete in any order.
  std::unique_ptr<Request> all_reduce_async(void* data, std::size_t count, CommType type, CommOp op = CommOp::sum);
  // Floats of all ranks' pieces, added in the tree's order: the same bits on every rank, whoever has which piece. `pieces`
  // are this rank's, in order; `sum` may be one of them.
  std::unique_ptr<Request> tree_sum_async(std::shared_ptr<const SumTree> tree, std::vector<float*> pieces, float* sum, std::size_t count);
  // `bytes` from every rank, in rank order, into size() * bytes.
  void all_gather(const void* data, std::size_t bytes, void* into);
  void send(const void* data, std::size_t bytes, int to, int tag);
  void receive(void* data, std::size_t bytes, int from, int tag);  // exactly `bytes`

  // The ranks of this node (shared memory), in rank order. Collective.
  virtual std::unique_ptr<Communicator> split_node() = 0;
  // The ranks that give the same colour (0 or more), in rank order. Collective.
  virtual std::unique_ptr<Communicator> split(int colour) = 0;
  // Ends all ranks at once with `exit_code`; for errors that one rank alone saw.
  [[noreturn]] virtual void abort(int exit_code) = 0;

  CurrentCollective current() const;
  // Seconds that this rank has spent in collectives and messages since it began; from any thread.
  double waited_s() const { return 1e-9 * static_cast<double>(waited_ns_.load(std::memory_order_relaxed)); }

  // Of values that differ in size between ranks: every rank gets all, in rank order. Built on all_gather.
  std::vector<std::string> all_gather_text(const std::string& mine);

 protected:
  virtual void do_barrier() = 0;
  virtual void do_broadcast(void* data, std::size_t bytes, int root) = 0;
  virtual std::unique_ptr<Request> do_all_reduce(void* data, std::size_t count, CommType type, CommOp op) = 0;
  virtual std::unique_ptr<Request> do_tree_sum(std::shared_ptr<const SumTree> tree, std::vector<float*> pieces, float* sum,
                                               std::size_t count) = 0;
  virtual void do_all_gather(const void* data, std::size_t bytes, void* into) = 0;
  virtual void do_send(const void* data, std::size_t bytes, int to, int tag) = 0;
  virtual void do_receive(void* data, std::size_t bytes, int from, int tag) = 0;

 private:
  class Published;
  class Waiting;
  std::uint64_t begun_ = 0;  // collectives, messages not counted
  // A sequence lock: odd while being written. One writer (the rank's own thread), any number of readers.
  std::atomic<std::uint64_t> version_{0};
  std::atomic<const char*> name_{""};
  std::atomic<std::uint64_t> bytes_{0}, sequence_{0};
  std::atomic<std::int64_t> since_ns_{0};
  std::atomic<std::int64_t> waited_ns_{0};
};

// One process, no launcher: every collective is the identity.
std::unique_ptr<Communicator> make_single_communicator();

// What a launcher (mpirun of Open MPI or MPICH, srun with PMI or PMIx) says of this process, read from the environment
// alone. size 1 where none started us.
struct LaunchedWorld {
  int rank = 0, size = 1, local_rank = 0, local_size = 1;
  std::string launcher;  // the variable that told, "" if none
};
LaunchedWorld launched_world();

// Single where no launcher started several ranks; else MPI, from libthaw_mpi.so beside the program.
// A launcher that started several ranks while MPI finds a world of one is refused (64) with the right command.
std::shared_ptr<Communicator> connect(const LaunchedWorld& world);

}  // namespace thaw
