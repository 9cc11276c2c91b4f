// Statistics along the time of packed rows.
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "framework/nn/convolution.h"
#include "framework/nn/cpu/kernels.h"
#include "framework/nn/packed.h"
#include "framework/nn/product.h"

namespace thaw {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

bool is_bf16(at::ScalarType type) { return type == at::kBFloat16; }

// Calls work(block, begin, end) for blocks of a row's tokens, in parallel; returns Σ over blocks, in order, of what it adds to
// its part of [2, blocks, width].
template <typename Work>
std::pair<at::Tensor, at::Tensor> sums_of_blocks(std::int64_t tokens, const at::Tensor& like, const Work& work) {
  const at::Tensor parts = at::zeros({2, blocks_of(tokens), like.size(0)}, like.options());
  for_blocks(tokens, [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
    work(parts[0][block].data_ptr<float>(), parts[1][block].data_ptr<float>(), begin, end);
  });
  return {in_order(parts[0]), in_order(parts[1])};
}

class TimeNormFunction : public Function<TimeNormFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& given, const Variable& gamma, const Variable& beta,
                          const std::vector<std::int64_t>& cu_seqlens, double eps, std::int64_t type_number) {
    const at::NoGradGuard no_grad;
    const auto type = static_cast<at::ScalarType>(type_number);
    const at::Tensor x = given.contiguous();
    const std::int64_t rows = static_cast<std::int64_t>(cu_seqlens.size()) - 1, width = x.size(1);
    at::Tensor y = at::empty({cu_seqlens.back(), width}, x.options().dtype(type)), stats = at::empty({rows, 2, width}, gamma.options());
    for_rows(cu_seqlens, [&](std::size_t row, std::int64_t start, std::int64_t length) {
      const at::Tensor values = x.narrow(0, start, length), to = y.narrow(0, start, length);
      const at::Tensor mean = column_sum(values) / length;
      const auto [zero, squares] = moments(at::Tensor(), values, mean, type);
      const at::Tensor factor = (squares / length + eps).rsqrt(), scale = factor * gamma, offset = beta - mean * scale;
      for_blocks(length, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
        cpu::kernels().column_affine(is_bf16(x.scalar_type()), is_bf16(type), values.data_ptr(), scale.data_ptr<float>(),
                                     offset.data_ptr<float>(), to.data_ptr(), begin, end, width);
      });
      stats[static_cast<std::int64_t>(row)].copy_(at::stack({mean, factor}));
    });
    context->save_for_backward({x, gamma, stats});
    context->saved_data["cu_seqlens"] = cu_seqlens;
    context->saved_data["type"] = type_number;
    return y;
  }
  // With n = (x − mean) · factor: factor · gamma · (g − mean of g − n · mean of g · n), as a sum of multiples of g, x and 1.
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &stats = saved[2], all = grads[0].contiguous();
    const std::vector<std::int64_t> cu_seqlens = context->saved_data["cu_seqlens"].toIntVector();
    const at::ScalarType type = static_cast<at::ScalarType>(context->saved_data["type"].toInt());
    at::Tensor grad_x = at::empty_like(x), grad_gamma = at::zeros_like(gamma), grad_beta = at::zeros_like(gamma);
    grad_x.slice(0, cu_seqlens.back()).zero_();
    for_rows(cu_seqlens, [&](std::size_t row, std::int64_t start, std::int64_t length) {
      const at::Tensor values = x.narrow(0, start, length), grad = all.narrow(0, start, length), to = grad_x.narrow(0, start, length);
      const at::Tensor mean = stats[static_cast<std::int64_t>(row)][0], factor = stats[static_cast<std::int64_t>(row)][1];
      const auto [sum, centred] = moments(grad, values, mean, type);
      const at::Tensor dot = centred * factor, of_grad = factor * gamma, of_x = -of_grad * factor * dot / length;
      const at::Tensor offset = -of_grad * sum / length - of_x * mean;
      for_blocks(length, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
        cpu::kernels().column_affine_backward(is_bf16(x.scalar_type()), is_bf16(type), grad.data_ptr(), of_grad.data_ptr<float>(),
                                              values.data_ptr(), of_x.data_ptr<float>(), offset.data_ptr<float>(), to.data_ptr(), begin,
                                              end, x.size(1));
      });
      grad_gamma.add_(dot);
      grad_beta.add_(sum);
    });
    return {grad_x, grad_gamma, grad_beta, {}, {}, {}};
  }

 private:
  static std::pair<at::Tensor, at::Tensor> moments(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& mean,
                                                   at::ScalarType type) {
    return sums_of_blocks(x.size(0), mean, [&](float* sums, float* dots, std::int64_t begin, std::int64_t end) {
      cpu::kernels().column_moments(is_bf16(x.scalar_type()), is_bf16(type), grad.defined() ? grad.data_ptr() : nullptr, x.data_ptr(),
                                    mean.data_ptr<float>(), sums, dots, begin, end, x.size(1));
    });
  }
};

class RowMeansFunction : public Function<RowMeansFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x, const std::vector<std::int64_t>& cu_seqlens) {
    const at::NoGradGuard no_grad;
    at::Tensor means = at::empty({static_cast<std::int64_t>(cu_seqlens.size()) - 1, x.size(1)}, x.options().dtype(at::kFloat));
    for_rows(cu_seqlens, [&](std::size_t row, std::int64_t start, std::int64_t length) {
      means[static_cast<std::int64_t>(row)].copy_(x.narrow(0, start, length).mean(0, false, at::kFloat));
    });
    context->saved_data["like"] = at::empty({0}, x.options()).detach();
    context->saved_data["tokens"] = x.size(0);
    context->saved_data["cu_seqlens"] = cu_seqlens;
    return means;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    at::Tensor grad =
        at::zeros({context->saved_data["tokens"].toInt(), grads[0].size(1)}, context->saved_data["like"].toTensor().options());
    for_rows(context->saved_data["cu_seqlens"].toIntVector(), [&](std::size_t row, std::int64_t start, std::int64_t length) {
      grad.narrow(0, start, length).copy_((grads[0][static_cast<std::int64_t>(row)] / length).expand({length, grad.size(1)}));
    });
    return {grad, {}};
  }
};

}  // namespace

at::Tensor time_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, const std::vector<std::int64_t>& cu_seqlens,
                     double eps, at::ScalarType type) {
  if (x.is_cpu()) return TimeNormFunction::apply(x, gamma, beta, cu_seqlens, eps, static_cast<std::int64_t>(type));
  std::vector<at::Tensor> rows;
  for_rows(cu_seqlens, [&](std::size_t, std::int64_t start, std::int64_t length) {
    const at::Tensor row = x.narrow(0, start, length).to(at::kFloat).t().unsqueeze(0);
    rows.push_back(at::group_norm(row, x.size(1), gamma, beta, eps)[0].t().to(type));
  });
  return at::cat(rows);
}

at::Tensor row_means(const at::Tensor& x, const std::vector<std::int64_t>& cu_seqlens) { return RowMeansFunction::apply(x, cu_seqlens); }

}  // namespace thaw
