// Sums in a tree's order by messages, between ranks of several nodes: each rank adds up one slice of all pieces, and gets the
// others' slices. Like NodeReduce, it moves in progress(), and all ranks add the same sums in the same order.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "framework/comm/sum_tree.h"

namespace thaw {

class TreeSums {
 public:
  explicit TreeSums(MPI_Comm comm);  // collective
  ~TreeSums();                       // collective
  TreeSums(const TreeSums&) = delete;
  TreeSums& operator=(const TreeSums&) = delete;

  // Begins a sum, and names it. Pieces and sum must live until done() says so.
  std::uint64_t add(std::shared_ptr<const SumTree> tree, const std::vector<float*>& pieces, float* sum, std::size_t count);
  bool done(std::uint64_t ticket) const { return done_ >= ticket; }
  void progress();
  void wait(std::uint64_t ticket);

 private:
  struct Sum {
    std::shared_ptr<const SumTree> tree;
    float* sum;
    std::size_t count;
    std::vector<float> sent, received;
    std::vector<int> send_counts, send_offsets, receive_counts, receive_offsets, slices, slice_offsets;
    MPI_Request request = MPI_REQUEST_NULL;
    bool gathering = false;
  };
  void add_own_slice(Sum& sum) const;

  // Two, so that the order of slices' exchanges and that of gatherings are each the same on every rank.
  MPI_Comm exchange_ = MPI_COMM_NULL, gather_ = MPI_COMM_NULL;
  std::size_t rank_, size_;
  std::deque<Sum> sums_;  // MPI writes into them: addresses stay
  std::uint64_t added_ = 0, done_ = 0;
};

}  // namespace thaw
