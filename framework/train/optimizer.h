// AdamW (Loshchilov and Hutter 2019), torch.optim.AdamW's formula and order of operations, in one pass over memory for
// each parameter. Results do not depend on the number of threads.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

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

class AdamW {
 public:
  AdamW(const OptimizerRecipe& recipe, std::vector<OptimizedParameter> parameters);
  // Applies the gradients times `gradient_scale` (clipping), every rate times `factor` (the schedule's).
  void step(double factor, double gradient_scale = 1);
  // Moments m/NAME and v/NAME, and how many steps each parameter has learned for, as torch counts them.
  State state() const;
  void load(const State& state);  // ModelError where it lacks a parameter
  // From now on goes over these rows of an embedding, as if each had had a gradient; int64.
  void expect(const std::string& name, const at::Tensor& rows);
  void adopt(const State& state);  // takes what it holds of these parameters, without a copy; others begin anew

 private:
  struct Moments {
    at::Tensor m, v;
    std::int64_t steps = 0;
    std::vector<std::uint8_t> started;  // by row, where `touched` tells: whether it has ever had a gradient
  };
  void find_started();

  OptimizerRecipe recipe_;
  std::vector<OptimizedParameter> parameters_;
  std::vector<Moments> moments_;
};

// The L2 norm of all gradients together, summed in double in a fixed order.
double global_norm(const std::vector<at::Tensor>& gradients);

}  // namespace thaw
