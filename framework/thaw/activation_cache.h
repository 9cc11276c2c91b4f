// Activations at the frontier, computed once instead of once an epoch: what the lowest learning layer reads, of every row,
// shared by the ranks of a node, and sent to other nodes where that pays. Layers below do not learn and run in evaluation
// mode, so a row's values are the same in every epoch until a phase thaws them. Values are kept in the type that flows
// between layers, so nothing is rounded.
// Where there is no room for all rows, the first ones have it: of a cyclic scan, a fixed part is the best that can be kept.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "framework/models/model.h"
#include "framework/thaw/activation_region.h"
#include "framework/thaw/cache_recipe.h"

namespace thaw {

class ActivationCache {
 public:
  // lengths[set][row]: of what the first layer reads. `memory`: of the job on this node, in bytes.
  // `row_by_row`: a row's values, kept or not, are to depend on nothing but the row, whatever the node has room for.
  ActivationCache(const CacheRecipe& recipe, Communicator& comm, std::uint64_t memory, std::vector<std::vector<std::uint32_t>> lengths,
                  bool row_by_row);
  ~ActivationCache();

  // From now on keeps what these layers read, as far as there is room, in this order; what other layers read is dropped.
  // Gives what people should know. Collective.
  std::vector<std::string> keep(const Model& model, const std::vector<int>& layers);
  bool keeps(int layer) const { return regions_.contains(layer); }
  // fp32 products round by how many tokens they have, so that a row's values depend on its neighbours in the pass, unless it
  // has none; bf16 ones of oneDNN were never seen to. A pass of single rows takes nearly twice as long.
  bool fills_row_by_row(const Model& model) const;
  // Forgets what layers above `layer` read: the weights from `layer` on have changed. Collective.
  void forget_above(int layer);

  // The model's output for some rows, in the context of the pass, whose inputs `read` fills in for some of them (numbers in
  // `rows`), with their cu_seqlens. Rows whose activations at the frontier are there skip the layers below, and are not read.
  // Others are run through them so that what is kept depends on the row and not on its neighbours: an interrupted run, which
  // begins with nothing kept, goes on to the same bits.
  using Read = std::function<std::vector<std::int64_t>(const std::vector<std::size_t>& some, Context& context)>;
  Packed forward(const Model& model, const std::vector<CacheRow>& rows, Context context, const Read& read);

  // Once a training step: rows that were computed since the last one go to the other nodes, so that a row is computed once
  // and not once a node. After a few steps ranks compare the time that took with that of computing, and leave it where
  // it does not pay; says what they chose. Collective.
  std::string share();

  std::uint64_t hits = 0, misses = 0, received = 0;  // rows, of this rank

 private:
  // What the highest kept layer up to the frontier reads of some rows, kept there and at every kept layer below it.
  Packed compute(const Model& model, const std::vector<CacheRow>& rows, Packed packed, const Context& context, bool training);
  std::string weigh_sharing();

  CacheRecipe recipe_;
  bool row_by_row_;
  std::unique_ptr<Communicator> node_;
  std::unique_ptr<Communicator> across_;  // of each node the rank of this number
  std::uint64_t memory_;
  std::vector<std::vector<std::uint32_t>> lengths_;
  std::map<int, std::unique_ptr<ActivationRegion>> regions_;  // by layer
  bool wanted_ = false;                                       // on this node or another
  // Sharing between nodes:
  std::vector<std::pair<int, CacheRow>> fresh_;  // layer and row, stored by this rank since the last sharing
  bool shares_ = true;
  int tried_ = 0;  // times that some rank had rows to send
  double compute_s_ = 0, share_s_ = 0;
};

}  // namespace thaw
