#include "framework/nn/convolution.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "framework/base/error.h"
#include "framework/nn/ops.h"
#include "framework/nn/product.h"

namespace thaw {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Windows are laid out for so many numbers at once: what a product reads stays in the cache.
constexpr std::int64_t window_numbers = std::int64_t{1} << 21, most_windows = 1024;
// A weight's gradient sums over windows: of more at once oneDNN was seen to split the sum among its threads.
constexpr std::int64_t most_summed = 256;

// One row's windows for one group: [count, kernel · in / groups] from output `first` on, made where they are read.
class Windows {
 public:
  // row: [tokens, in], with its zeros. A group's channels are laid side by side, so that a window is one run of numbers.
  Windows(const at::Tensor& row, const Convolution& shape)
      : by_group_(row.view({row.size(0), shape.groups, -1}).transpose(0, 1).contiguous()), shape_(shape), in_(by_group_.size(2)) {}

  // The columns are ordered as the weight's are in `laid_out`. Padded to a multiple of token_multiple windows.
  at::Tensor operator()(std::int64_t group, std::int64_t first, std::int64_t count) const {
    const at::Tensor tokens = by_group_[group];
    const at::Tensor view =
        tokens.as_strided({count, shape_.kernel * in_}, {shape_.stride * in_, 1}, tokens.storage_offset() + first * shape_.stride * in_);
    return pad_tokens(view.contiguous());  // they overlap in `view`
  }

  // Calls work(first, count) for parts of the outputs, each of a size that is good for products.
  template <typename Work>
  void for_parts(std::int64_t outputs, const Work& work, std::int64_t most = most_windows) const {
    const std::int64_t fit = window_numbers / (shape_.kernel * in_) / token_multiple * token_multiple;
    const std::int64_t part = std::clamp(fit, token_multiple, most);
    for (std::int64_t first = 0; first < outputs; first += part) work(first, std::min(part, outputs - first));
  }

 private:
  at::Tensor by_group_;  // [groups, tokens, in / groups]
  Convolution shape_;
  std::int64_t in_;
};

// A row with its zeros; fewer than none are left away.
at::Tensor with_zeros(const at::Tensor& row, std::int64_t before, std::int64_t after) {
  return before != 0 || after != 0 ? at::constant_pad_nd(row, {0, 0, before, after}) : row.contiguous();
}

// A row's outputs, written to y: [outputs, groups · out], whose tokens may lie apart. weights: laid out.
void convolve(const at::Tensor& row, const at::Tensor& weights, const at::Tensor& bias, const Convolution& shape, const at::Tensor& y) {
  const Windows windows(with_zeros(row, shape.before, shape.after), shape);
  const std::int64_t out = weights.size(1);
  for (std::int64_t group = 0; group < shape.groups; ++group) {
    const std::optional<at::Tensor> offset = if_defined(bias.defined() ? bias.narrow(0, group * out, out) : bias);
    windows.for_parts(y.size(0), [&](std::int64_t first, std::int64_t some) {
      const at::Tensor values = product(windows(group, first, some), weights[group], offset);
      y.narrow(0, first, some).narrow(1, group * out, out).copy_(values.narrow(0, 0, some));
    });
  }
}

// Inputs that lie `stride` apart are read by the same taps, phase, phase + stride, …: their gradient is a convolution of
// stride 1 of the outputs' by these, turned round.
at::Tensor gradient_of_input(const at::Tensor& grad, const at::Tensor& weights, const std::vector<std::int64_t>& cu_seqlens,
                             const std::vector<std::int64_t>& outputs, const Convolution& shape) {
  const std::int64_t out = weights.size(1), in = weights.size(2) / shape.kernel, stride = shape.stride;
  const at::Tensor by_tap = weights.view({shape.groups, out, shape.kernel, in});
  at::Tensor result = at::zeros({cu_seqlens.back(), in * shape.groups}, grad.options());
  for (std::int64_t phase = 0; phase < std::min(stride, shape.kernel); ++phase) {
    const at::Tensor taps = by_tap.slice(2, phase, shape.kernel, stride);
    const at::Tensor turned = taps.flip(2).permute({0, 3, 2, 1}).reshape({shape.groups, in, -1});
    for_rows(cu_seqlens, [&](std::size_t row, std::int64_t start, std::int64_t length) {
      const std::int64_t skipped = std::max<std::int64_t>(0, (shape.before - phase + stride - 1) / stride);  // in the zeros before
      const std::int64_t first = phase + skipped * stride - shape.before;
      if (first >= length) return;
      const at::Tensor to = result.narrow(0, start, length).slice(0, first, length, stride);
      const std::int64_t from = outputs[row], count = outputs[row + 1] - from, reach = taps.size(2) - 1;
      const Convolution turned_shape{reach + 1, 1, reach - skipped, to.size(0) + skipped - count, shape.groups};
      convolve(grad.narrow(0, from, count), turned, {}, turned_shape, to);
    });
  }
  return result;
}

at::Tensor gradient_of_weight(const at::Tensor& x, const at::Tensor& grad, at::IntArrayRef sizes,
                              const std::vector<std::int64_t>& cu_seqlens, const std::vector<std::int64_t>& outputs,
                              const Convolution& shape) {
  const std::int64_t out = sizes[1];
  at::Tensor sums = at::zeros(sizes, grad.options().dtype(at::kFloat));
  for_rows(cu_seqlens, [&](std::size_t row, std::int64_t start, std::int64_t length) {
    const Windows windows(with_zeros(x.narrow(0, start, length), shape.before, shape.after), shape);
    const std::int64_t from = outputs[row], count = outputs[row + 1] - from;
    for (std::int64_t group = 0; group < shape.groups; ++group)
      windows.for_parts(
          count,
          [&](std::int64_t first, std::int64_t some) {
            const at::Tensor part = pad_tokens(grad.narrow(0, from + first, some).narrow(1, group * out, out).contiguous());
            sums[group].add_(product(part.t(), windows(group, first, some).t()));
          },
          most_summed);
  });
  return sums;
}

class ConvolutionFunction : public Function<ConvolutionFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x, const Variable& weight, const std::optional<Variable>& bias,
                          const std::vector<std::int64_t>& cu_seqlens, const std::vector<std::int64_t>& shape) {
    const at::NoGradGuard no_grad;
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    context->saved_data["cu_seqlens"] = cu_seqlens;
    context->saved_data["shape"] = shape;
    const Convolution convolution = unpacked(shape);
    const std::vector<std::int64_t> outputs = convolution.rows(cu_seqlens);
    at::Tensor y = at::empty({tokens_of_pass(outputs.back()), weight.size(0) * weight.size(1)}, x.options());
    y.slice(0, outputs.back()).zero_();
    for_rows(cu_seqlens, [&](std::size_t row, std::int64_t start, std::int64_t length) {
      const at::Tensor to = y.narrow(0, outputs[row], outputs[row + 1] - outputs[row]);
      convolve(x.narrow(0, start, length), weight, bias.value_or(at::Tensor()), convolution, to);
    });
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const std::vector<std::int64_t> cu_seqlens = context->saved_data["cu_seqlens"].toIntVector();
    const Convolution shape = unpacked(context->saved_data["shape"].toIntVector());
    const std::vector<std::int64_t> outputs = shape.rows(cu_seqlens);
    const at::Tensor grad = grads[0].narrow(0, 0, outputs.back()).contiguous();
    variable_list result(5);
    if (context->needs_input_grad(0)) {
      const at::Tensor of_rows = gradient_of_input(grad, weight, cu_seqlens, outputs, shape);
      const std::int64_t rest = x.size(0) - of_rows.size(0);
      result[0] = rest > 0 ? at::constant_pad_nd(of_rows, {0, 0, 0, rest}) : of_rows;
    }
    if (context->needs_input_grad(1))
      result[1] = gradient_of_weight(x, grad, weight.sizes(), cu_seqlens, outputs, shape).to(weight.scalar_type());
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) result[2] = column_sum(grad).to(weight.scalar_type());
    return result;
  }

 private:
  static Convolution unpacked(const std::vector<std::int64_t>& s) { return {s[0], s[1], s[2], s[3], s[4]}; }
};

// By torch's conv1d, for devices that are not the CPU.
at::Tensor by_row(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const std::vector<std::int64_t>& cu_seqlens,
                  const Convolution& shape) {
  const at::Tensor torchs = weight.view({weight.size(0) * weight.size(1), shape.kernel, -1}).transpose(1, 2);
  shape.rows(cu_seqlens);  // refuses rows that are too short
  std::vector<at::Tensor> rows;
  for_rows(cu_seqlens, [&](std::size_t, std::int64_t start, std::int64_t length) {
    const at::Tensor row = with_zeros(x.narrow(0, start, length), shape.before, shape.after).t().unsqueeze(0);
    rows.push_back(
        at::conv1d(row, torchs, if_defined(bias), at::IntArrayRef{shape.stride}, at::IntArrayRef{0}, at::IntArrayRef{1}, shape.groups)[0]
            .t());
  });
  return pad_tokens(at::cat(rows));
}

}  // namespace

std::vector<std::int64_t> Convolution::rows(const std::vector<std::int64_t>& cu_seqlens) const {
  std::vector<std::int64_t> outputs{0};
  for_rows(cu_seqlens, [&](std::size_t row, std::int64_t, std::int64_t tokens) {
    const std::int64_t count = length(tokens);
    if (count == 0)
      throw DataError("row {} of a pass has {} values for a convolution whose kernel is {}: too short; leave such rows out", row, tokens,
                      kernel);
    outputs.push_back(outputs.back() + count);
  });
  return outputs;
}

at::Tensor laid_out(const at::Tensor& weight, const Convolution& shape) {
  return weight.permute({0, 2, 1}).reshape({shape.groups, weight.size(0) / shape.groups, -1}).contiguous();
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const std::vector<std::int64_t>& cu_seqlens,
                       const Convolution& shape) {
  if (!x.is_cpu()) return by_row(x, weight, bias, cu_seqlens, shape);
  return ConvolutionFunction::apply(x, weight, if_defined(bias), cu_seqlens,
                                    std::vector<std::int64_t>{shape.kernel, shape.stride, shape.before, shape.after, shape.groups});
}

at::Tensor normed_weight(const at::Tensor& g, const at::Tensor& v, at::ScalarType type) {
  return (v * (g / v.square().sum(at::IntArrayRef{0, 1}, true).sqrt())).to(type);
}

}  // namespace thaw
