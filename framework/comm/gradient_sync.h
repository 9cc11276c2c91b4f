// GradientSync: sums gradients over a step's backward passes and over ranks, while backward is still running.
// Gradients are accumulated in fp32, in flat buckets filled in the order in which backward finishes parameters; a full
// bucket is reduced at once, and later hooks test the open requests, which is what moves MPI along.
// Where the tree of a step's sums is fixed, partial sums lie beside one another until all their grains have come.
// An embedding's gradient is sparse: ranks exchange the rows they touched instead of the whole table.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "framework/base/clock.h"
#include "framework/comm/communicator.h"

namespace thaw {

struct SyncedParameter {
  std::string name;
  at::Tensor leaf;      // requires gradients; fp32 or bf16
  bool sparse = false;  // its gradient arrives as a sparse COO tensor over dimension 0
};

class GradientSync {
 public:
  // `parameters`: those that learn, top layer first. Every rank lists the same. `buckets` reduces memory of the parameters'
  // device; `host` carries the sparse rows. On CPUs the two are one.
  GradientSync(std::shared_ptr<Communicator> host, std::shared_ptr<Communicator> buckets, std::vector<SyncedParameter> parameters,
               std::size_t bucket_bytes = std::size_t{8} << 20);
  ~GradientSync();
  GradientSync(const GradientSync&) = delete;
  GradientSync& operator=(const GradientSync&) = delete;

  // Starts a step in which this rank runs a backward pass for each of its terms in the tree, in order (none too: it then takes
  // part alone).
  void begin(std::shared_ptr<const SumTree> tree);
  // Sends what is left and waits. Afterwards gradient(i) is the sum over all passes of all ranks.
  void finish();

  std::size_t size() const { return entries_.size(); }
  const at::Tensor& gradient(std::size_t index) const { return entries_[index].gradient; }  // fp32, the leaf's shape
  // The rows of a sparse gradient that may be other than zero, ascending, int64 on its device; undefined where all may be.
  const at::Tensor& touched(std::size_t index) const { return entries_[index].touched; }
  std::uint64_t bytes_per_step() const { return bytes_; }  // handed to collectives in the last step
  double wait_s() const { return wait_s_; }                // spent in finish() in the last step: open communication
  double hidden_s() const { return hidden_s_; }            // of the last step's backward while a bucket was under way
  std::size_t bucket_count() const { return buckets_.size(); }
  // Of the last step, for models of it: when each bucket was handed over and backward had ended, since begin().
  struct Launch {
    double bytes = 0, at_s = 0;
  };
  const std::vector<Launch>& launches() const { return launches_; }
  double backward_s() const { return backward_s_; }
  std::uint64_t sparse_bytes() const { return sparse_bytes_; }  // of this rank's rows of embeddings

 private:
  struct Rows {
    at::Tensor ids, values;  // int64 [n]; fp32 [n, …]
  };
  struct Entry {
    SyncedParameter parameter;
    at::Tensor gradient;       // a view into its bucket, or a table of its own where sparse
    int bucket = -1;           // -1: sparse
    std::int64_t offset = 0;   // in its bucket
    int passes = 0;            // gradients received in this step
    int depth = 0;             // partial sums that they were added into
    std::vector<Rows> sparse;  // of this step, by partial sum
    at::Tensor touched;        // where sparse: rows of `gradient` that may be other than zero
  };
  struct Bucket {
    std::vector<at::Tensor> sums;  // the stack of partial sums; the first one gets the whole sum
    std::vector<std::size_t> entries;
    std::size_t ready = 0;
    std::unique_ptr<Request> request;
  };

  static Rows sum_of(const std::vector<Rows>& parts, std::int64_t table);
  static void add_upper_two(std::vector<Rows>& stack, std::int64_t table);
  const std::vector<int>& own_merges() const { return tree_->merges(host_->rank()); }  // of this rank's terms
  void receive(std::size_t index, const at::Tensor& leaf);
  void add_dense(Entry& entry, const at::Tensor& gradient, int merges);
  void add_sparse(Entry& entry, const at::Tensor& gradient, int merges);
  void launch(Bucket& bucket);
  void launch_ready(bool all);
  void progress();
  void exchange_sparse(Entry& entry);

  std::shared_ptr<Communicator> host_, buckets_comm_;
  std::vector<Entry> entries_;
  std::vector<Bucket> buckets_;
  std::size_t next_bucket_ = 0;  // buckets are launched in their order on every rank
  std::shared_ptr<const SumTree> tree_;
  std::uint64_t bytes_ = 0, sparse_bytes_ = 0;
  Clock::time_point begun_;
  std::vector<Launch> launches_;
  Clock::time_point looked_;  // when progress() was called last
  bool under_way_ = false;    // some bucket, then
  double backward_s_ = 0, wait_s_ = 0, hidden_s_ = 0;
};

}  // namespace thaw
