#include "framework/nn/frame_convolution.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstring>

#include "framework/nn/ops.h"

namespace thaw {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Calls work(row, begin, length) for what lies of [first, last) in each row that cu_seqlens bounds.
template <typename Work>
void for_rows(const std::vector<std::int64_t>& cu_seqlens, std::int64_t first, std::int64_t last, const Work& work) {
  for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row) {
    const std::int64_t begin = std::max(first, cu_seqlens[row]), end = std::min(last, cu_seqlens[row + 1]);
    if (begin < end) work(row, begin, end);
  }
}

// x: [frames, width] → [outputs, kernel · width]: what each output reads, frame after frame.
class WindowsFunction : public Function<WindowsFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& given, const std::vector<std::int64_t>& cu_seqlens, std::int64_t kernel,
                          std::int64_t stride, std::int64_t padding) {
    const FrameConvolution shape{kernel, stride, padding};
    const at::Tensor x = given.contiguous();
    const std::vector<std::int64_t> outputs = shape.lengths(cu_seqlens);
    const std::int64_t padded = (outputs.back() + token_multiple - 1) / token_multiple * token_multiple;
    at::Tensor windows = at::zeros({padded, kernel * x.size(1)}, x.options());
    const auto frame_bytes = x.size(1) * static_cast<std::int64_t>(x.element_size());
    const char* const from = static_cast<const char*>(x.data_ptr());
    char* const to = static_cast<char*>(windows.data_ptr());
    at::parallel_for(0, outputs.back(), 64, [&](std::int64_t first, std::int64_t last) {
      for_rows(outputs, first, last, [&](std::size_t row, std::int64_t begin, std::int64_t end) {
        const std::int64_t start = cu_seqlens[row], length = cu_seqlens[row + 1] - start;
        for (std::int64_t output = begin; output < end; ++output) {
          const std::int64_t frame = (output - outputs[row]) * stride - padding;  // of the first tap, within the row
          const std::int64_t tap = std::max<std::int64_t>(0, -frame), taps = std::min(kernel, length - frame) - tap;
          if (taps > 0)
            std::memcpy(to + (output * kernel + tap) * frame_bytes, from + (start + frame + tap) * frame_bytes,
                        static_cast<std::size_t>(taps * frame_bytes));
        }
      });
    });
    context->saved_data["cu_seqlens"] = cu_seqlens;
    context->saved_data["shape"] = std::vector<std::int64_t>{kernel, stride, padding, x.size(0)};
    return windows;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const std::vector<std::int64_t> cu_seqlens = context->saved_data["cu_seqlens"].toIntVector();
    const std::vector<std::int64_t> shape = context->saved_data["shape"].toIntVector();
    const at::Tensor grad = grads[0].contiguous();
    const std::int64_t width = grad.size(1) / shape[0];
    at::Tensor result = at::zeros({shape[3], width}, grad.options());
    AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, grad.scalar_type(), "windows", [&] {
      gather<scalar_t>(grad.const_data_ptr<scalar_t>(), result.mutable_data_ptr<scalar_t>(), cu_seqlens, {shape[0], shape[1], shape[2]},
                       width);
    });
    return {result, {}, {}, {}, {}};
  }

 private:
  // A frame's gradient: of the windows that read it, tap after tap.
  template <typename T>
  static void gather(const T* grad, T* result, const std::vector<std::int64_t>& cu_seqlens, const FrameConvolution& shape,
                     std::int64_t width) {
    const std::vector<std::int64_t> outputs = shape.lengths(cu_seqlens);
    at::parallel_for(0, cu_seqlens.back(), 64, [&](std::int64_t first, std::int64_t last) {
      std::vector<float> sum(static_cast<std::size_t>(width));
      for_rows(cu_seqlens, first, last, [&](std::size_t row, std::int64_t begin, std::int64_t end) {
        for (std::int64_t frame = begin; frame < end; ++frame) {
          std::fill(sum.begin(), sum.end(), 0.0F);
          for (std::int64_t tap = 0; tap < shape.kernel; ++tap) {
            const std::int64_t strides = frame - cu_seqlens[row] + shape.padding - tap, output = strides / shape.stride;
            if (strides < 0 || strides % shape.stride != 0 || output >= outputs[row + 1] - outputs[row]) continue;
            const T* const window = grad + ((outputs[row] + output) * shape.kernel + tap) * width;
            for (std::int64_t i = 0; i < width; ++i) sum[static_cast<std::size_t>(i)] += static_cast<float>(window[i]);
          }
          for (std::int64_t i = 0; i < width; ++i) result[frame * width + i] = static_cast<T>(sum[static_cast<std::size_t>(i)]);
        }
      });
    });
  }
};

}  // namespace

std::vector<std::int64_t> FrameConvolution::lengths(const std::vector<std::int64_t>& cu_seqlens) const {
  std::vector<std::int64_t> outputs{0};
  for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row)
    outputs.push_back(outputs.back() + std::max<std::int64_t>(0, length(cu_seqlens[row + 1] - cu_seqlens[row])));
  return outputs;
}

at::Tensor FrameConvolution::operator()(const at::Tensor& x, const std::vector<std::int64_t>& cu_seqlens, const at::Tensor& weight,
                                        const at::Tensor& bias) const {
  if (!x.is_cpu()) {
    std::vector<at::Tensor> rows;
    for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row) {
      const at::Tensor frames = x.slice(0, cu_seqlens[row], cu_seqlens[row + 1]).t().unsqueeze(0);
      rows.push_back(at::conv1d(frames, weight, bias, stride, padding).squeeze(0).t());
    }
    return pad_tokens(at::cat(rows));
  }
  const at::Tensor windows = WindowsFunction::apply(x, cu_seqlens, kernel, stride, padding);
  return linear(windows, weight.permute({0, 2, 1}).reshape({weight.size(0), -1}), bias);
}

}  // namespace thaw
