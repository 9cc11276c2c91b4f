// Statistics along the time of packed rows.
#include <torch/csrc/autograd/custom_function.h>

#include "framework/nn/convolution.h"

namespace thaw {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Calls work(row, its first token, its tokens).
template <typename Work>
void for_rows(const std::vector<std::int64_t>& cu_seqlens, const Work& work) {
  for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row)
    work(static_cast<std::int64_t>(row), cu_seqlens[row], cu_seqlens[row + 1] - cu_seqlens[row]);
}

class TimeNormFunction : public Function<TimeNormFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x, const Variable& gamma, const Variable& beta,
                          const std::vector<std::int64_t>& cu_seqlens, double eps) {
    const at::NoGradGuard no_grad;
    const auto rows = static_cast<std::int64_t>(cu_seqlens.size()) - 1;
    at::Tensor y = at::empty({cu_seqlens.back(), x.size(1)}, x.options()), stats = at::empty({2, rows, x.size(1)}, gamma.options());
    for_rows(cu_seqlens, [&](std::int64_t row, std::int64_t start, std::int64_t length) {
      const at::Tensor values = x.narrow(0, start, length).to(at::kFloat);
      const at::Tensor mean = values.mean(0), centred = values - mean;  // not var_mean, which adds number by number
      const at::Tensor factor = (centred.square().mean(0) + eps).rsqrt();
      y.narrow(0, start, length).copy_(at::addcmul(beta, centred, factor * gamma));
      stats[0][row].copy_(mean);
      stats[1][row].copy_(factor);
    });
    context->save_for_backward({x, gamma, stats});
    context->saved_data["cu_seqlens"] = cu_seqlens;
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &stats = saved[2];
    at::Tensor grad_x = at::zeros_like(x), grad_gamma = at::zeros_like(gamma), grad_beta = at::zeros_like(gamma);
    for_rows(context->saved_data["cu_seqlens"].toIntVector(), [&](std::int64_t row, std::int64_t start, std::int64_t length) {
      const at::Tensor grad = grads[0].narrow(0, start, length).to(at::kFloat), factor = stats[1][row];
      const at::Tensor normed = (x.narrow(0, start, length).to(at::kFloat) - stats[0][row]) * factor;
      const at::Tensor sum = grad.sum(0), dot = (grad * normed).sum(0);
      grad_x.narrow(0, start, length).copy_((grad - sum / length - normed * (dot / length)) * (factor * gamma));
      grad_gamma.add_(dot);
      grad_beta.add_(sum);
    });
    return {grad_x, grad_gamma, grad_beta, {}, {}};
  }
};

class RowMeansFunction : public Function<RowMeansFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x, const std::vector<std::int64_t>& cu_seqlens) {
    const at::NoGradGuard no_grad;
    at::Tensor means = at::empty({static_cast<std::int64_t>(cu_seqlens.size()) - 1, x.size(1)}, x.options().dtype(at::kFloat));
    for_rows(cu_seqlens, [&](std::int64_t row, std::int64_t start, std::int64_t length) {
      means[row].copy_(x.narrow(0, start, length).mean(0, false, at::kFloat));
    });
    context->saved_data["like"] = at::empty({0}, x.options()).detach();
    context->saved_data["tokens"] = x.size(0);
    context->saved_data["cu_seqlens"] = cu_seqlens;
    return means;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    at::Tensor grad =
        at::zeros({context->saved_data["tokens"].toInt(), grads[0].size(1)}, context->saved_data["like"].toTensor().options());
    for_rows(context->saved_data["cu_seqlens"].toIntVector(), [&](std::int64_t row, std::int64_t start, std::int64_t length) {
      grad.narrow(0, start, length).copy_((grads[0][row] / length).expand({length, grad.size(1)}));
    });
    return {grad, {}};
  }
};

}  // namespace

at::Tensor time_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, const std::vector<std::int64_t>& cu_seqlens,
                     double eps) {
  return TimeNormFunction::apply(x, gamma, beta, cu_seqlens, eps);
}

at::Tensor row_means(const at::Tensor& x, const std::vector<std::int64_t>& cu_seqlens) { return RowMeansFunction::apply(x, cu_seqlens); }

}  // namespace thaw
