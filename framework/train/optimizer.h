// AdamW (Loshchilov and Hutter 2019), torch.optim.AdamW's formula and order of operations, in one pass over memory for
// each parameter. Results do not depend on the number of threads, nor on how many ranks share the work.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/comm/communicator.h"
#include "framework/tensor/state.h"
#include "framework/train/recipe.h"

namespace thaw {

struct OptimizedParameter {
  std::string name;
  at::Tensor master;    // fp32, contiguous
  at::Tensor gradient;  // fp32, contiguous, the same shape
  at::Tensor working;   // the bf16 copy that the model computes with; undefined where it computes with `master`
  double lr = 1;        // where the schedule's factor is 1
  bool decay = true;
  // Of an embedding: its gradient's rows that may be other than zero in this step, ascending. Rows that never had a gradient
  // have moments of zero, so that decay alone moves them; their moments are then not even read. Empty: every row.
  std::function<at::Tensor()> touched = {};
};

// Elements of a parameter, counted flat.
struct Slice {
  std::int64_t begin = 0, end = 0;
  std::int64_t count() const { return end - begin; }
};

// Those that one of some ranks keeps the moments of, and updates: rows, or of a vector 64 elements each, side by side, as many
// for each rank but the last ones. It depends on nothing else, so that moments stay where they are from phase to phase.
Slice slice_of(const at::Tensor& parameter, int rank, int ranks);

class AdamW {
 public:
  // `sharers`: ranks that share moments and work (ZeRO-1; Rajbhandari et al. 2020), between the devices of the parameters. All of
  // them make every call. Null: this rank does everything itself.
  AdamW(const OptimizerRecipe& recipe, std::vector<OptimizedParameter> parameters, std::shared_ptr<Communicator> sharers = nullptr);
  // Applies the gradients times `gradient_scale` (clipping), every rate times `factor` (the schedule's).
  void step(double factor, double gradient_scale = 1);
  std::uint64_t bytes_per_step() const { return bytes_; }  // handed to collectives in the last step
  // Moments m/NAME and v/NAME, pieces where they are shared, and how many steps each parameter has learned for, as torch counts
  // them.
  State state() const;
  bool shares() const { return sharers_ != nullptr; }
  Slice slice(const at::Tensor& parameter) const { return slice_of(parameter, rank(), ranks()); }  // this rank's
  // From what was loaded, of any number of ranks. What it lacks is a ModelError, or stays as it is where not all is wanted.
  void load(const State& loaded, bool all = true);
  // From now on goes over these rows of an embedding, as if each had had a gradient; int64.
  void expect(const std::string& name, const at::Tensor& rows);
  void adopt(const State& state);  // takes what it holds of these parameters' moments, as `state` gave it; others begin anew

 private:
  struct Moments {
    at::Tensor m, v;
    std::int64_t steps = 0;
    std::vector<std::uint8_t> started;  // by row, where `touched` tells: whether it has ever had a gradient
  };
  int rank() const { return sharers_ ? sharers_->rank() : 0; }
  int ranks() const { return sharers_ ? sharers_->size() : 1; }
  void find_started();
  std::vector<Slice> updated_by(std::size_t i, int rank) const;
  void gather();

  OptimizerRecipe recipe_;
  std::vector<OptimizedParameter> parameters_;
  std::vector<Moments> moments_;
  std::shared_ptr<Communicator> sharers_;  // null where there is one rank
  std::uint64_t bytes_ = 0;
};

// The L2 norm of all gradients together, summed in double in a fixed order.
double global_norm(const std::vector<at::Tensor>& gradients);

}  // namespace thaw
