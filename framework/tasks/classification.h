// Losses of text classification (one label or several a row) and regression, as torch computes them, but as sums: the
// caller divides by the sum of weights of the whole step, over ranks and passes.
#pragma once

#include <vector>

#include "framework/tasks/targets.h"

namespace thaw {

enum class Problem { single_label, multi_label, regression };

// config.json's problem_type: "single_label_classification", "multi_label_classification", "regression".
const char* name_of(Problem problem);

struct Loss {
  Problem problem = Problem::single_label;
  std::vector<float> class_weights;  // empty: all 1
  double label_smoothing = 0;        // single label alone

  // The sum over rows of weight × loss; a scalar, fp32. logits: [rows, classes], or [rows, 1] for regression.
  //   single: torch's cross_entropy(weight=…, label_smoothing=…); several: binary_cross_entropy_with_logits(weight=…),
  //   its mean over the classes of a row; regression: the squared error.
  at::Tensor sum(const at::Tensor& logits, const Targets& targets) const;

  // What a row adds to the divisor: its weight, times its label's class weight (single label alone, as torch does).
  double share(double row_weight, int label) const;
};

}  // namespace thaw
