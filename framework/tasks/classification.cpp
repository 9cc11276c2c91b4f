#include "framework/tasks/classification.h"

namespace thaw {

const char* name_of(Problem problem) {
  switch (problem) {
    case Problem::single_label: return "single_label_classification";
    case Problem::multi_label: return "multi_label_classification";
    case Problem::regression: return "regression";
  }
  return "";
}

at::Tensor Loss::sum(const at::Tensor& logits, const Targets& targets) const {
  const at::Tensor scores = logits.to(at::kFloat);
  if (problem == Problem::regression) return ((scores.squeeze(1) - targets.labels).square() * targets.weights).sum();
  const at::Tensor classes = class_weights.empty() ? at::Tensor() : at::tensor(class_weights, scores.options().requires_grad(false));
  if (problem == Problem::multi_label) {
    const at::Tensor by_class = at::binary_cross_entropy_with_logits(scores, targets.labels, classes, {}, at::Reduction::None);
    return (by_class.mean(1) * targets.weights).sum();
  }
  const at::Tensor by_row = at::cross_entropy_loss(scores, targets.labels, classes, at::Reduction::None, -100, label_smoothing);
  return (by_row * targets.weights).sum();
}

double Loss::share(double row_weight, int label) const {
  const bool weighted = problem == Problem::single_label && !class_weights.empty();
  return weighted ? row_weight * class_weights[static_cast<std::size_t>(label)] : row_weight;
}

}  // namespace thaw
