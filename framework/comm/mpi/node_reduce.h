// NodeReduce: sums of floats over ranks that share one node, through shared memory instead of messages.
// Ranks' pieces are added in a tree's order, so the sum has the same bits however it is cut, and whenever it runs.
// Nothing happens in the background: progress() does what the other ranks' progress allows. All ranks add the same sums
// in the same order.
#pragma once

#include <mpi.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "framework/comm/sum_tree.h"

namespace thaw {

class NodeReduce {
 public:
  // Collective. Null, on every rank, where the ranks of `comm` are on several nodes, where shared memory is short, or
  // where THAW_NODE_REDUCE=0 asks for MPI's own sums.
  static std::unique_ptr<NodeReduce> make(MPI_Comm comm);
  ~NodeReduce();  // collective
  NodeReduce(const NodeReduce&) = delete;
  NodeReduce& operator=(const NodeReduce&) = delete;

  // Begins a sum, and names it. Pieces and sum must live until done() says so.
  std::uint64_t add(std::shared_ptr<const SumTree> tree, std::vector<float*> pieces, float* sum, std::size_t count);
  std::uint64_t add(float* data, std::size_t count) { return add(by_rank_, {data}, data, count); }
  static constexpr int most_pieces = 8;  // of a rank
  bool done(std::uint64_t ticket) const { return taken_ >= ticket; }
  bool idle() const { return sums_.empty(); }
  // True if anything moved.
  bool progress();
  // Until idle, giving the core away where others are late; MPI is moved along too.
  void wait(std::uint64_t ticket);
  void drain() { wait(added_); }

 private:
  // A sum is cut into chunks, each with as many slots as a rank has pieces at the most, numbered through all sums. Slot k is
  // at k % slots of every rank's ring: each rank copies its values there, adds up one slice for all into the chunk's first
  // slot, and takes the other ranks' slices.
  struct alignas(64) Counter {
    std::atomic<std::uint64_t> slots;
  };
  struct Header {
    Counter copied, reduced, taken;
  };
  struct Sum {
    std::shared_ptr<const SumTree> tree;
    std::vector<float*> pieces;
    float* sum;
    std::size_t count;
    std::uint64_t slots;       // of a chunk
    std::uint64_t first, end;  // slots
  };
  struct Chunk {
    const Sum& of;
    std::size_t offset, count;
  };
  struct Slice {
    std::size_t begin, end;
  };

  NodeReduce(MPI_Comm comm, MPI_Win window);
  bool copy_one();
  bool reduce_one();
  bool take_one();
  Chunk chunk(std::uint64_t number) const;
  Slice slice(std::size_t count, std::size_t rank) const;
  float* slot(std::size_t rank, std::uint64_t number) const;
  bool all_past(Counter Header::*counter, std::uint64_t number, std::uint64_t& known) const;

  MPI_Comm comm_;
  MPI_Win window_;
  std::size_t rank_, size_;
  std::shared_ptr<const SumTree> by_rank_;
  std::vector<Header*> ranks_;  // each followed by its ring
  std::deque<Sum> sums_;
  std::uint64_t added_ = 0, copied_ = 0, reduced_ = 0, taken_ = 0;  // slots, of this rank
  std::uint64_t all_copied_ = 0, all_reduced_ = 0, all_taken_ = 0;  // slots, of the slowest rank when last seen
};

}  // namespace thaw
