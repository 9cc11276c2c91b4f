#include "framework/nn/inference_linear.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "framework/nn/cpu/kernels.h"
#include "framework/nn/parallel.h"
#include "framework/nn/product.h"

namespace thaw {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using Pointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view, Scalars,
                             std::optional<std::string_view>);
using Binary = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view);
using Reorder = at::Tensor(const at::Tensor&, std::optional<c10::SymInt>);

constexpr std::int64_t usual_rows = 1500;  // for which the layout is chosen; others work too

// An operator that a LibTorch without oneDNN lacks.
template <typename Signature>
std::optional<c10::TypedOperatorHandle<Signature>> find(const char* name, const char* overload) {
  const auto found = c10::Dispatcher::singleton().findSchema({name, overload});
  return found ? std::optional(found->typed<Signature>()) : std::nullopt;
}

const std::optional<c10::TypedOperatorHandle<Pointwise>>& pointwise() {
  static const auto op = find<Pointwise>("mkldnn::_linear_pointwise", "");
  return op;
}

}  // namespace

PackedLinear::PackedLinear(const at::Tensor& weight, const at::Tensor& bias, at::ScalarType type)
    : weight_(weight.to(type).contiguous()), bias_(bias.defined() ? bias.to(type).contiguous() : bias) {
  const auto reorder = find<Reorder>("mkldnn::_reorder_linear_weight", "");
  if (reorder && pointwise()) weight_ = reorder->call(weight_, c10::SymInt(usual_rows));
}

at::Tensor PackedLinear::operator()(const at::Tensor& x) const {
  if (!weight_.is_mkldnn()) return at::linear(x, weight_, if_defined(bias_));
  return pointwise()->call(x, weight_, if_defined(bias_), "none", Scalars(), "");
}

at::Tensor PackedLinear::activated(const at::Tensor& x, Activation activation) const {
  const bool fused = activation == Activation::gelu || activation == Activation::gelu_tanh;
  if (!weight_.is_mkldnn() || !fused) return activate((*this)(x), activation);
  return pointwise()->call(x, weight_, if_defined(bias_), "gelu", Scalars(), activation == Activation::gelu ? "none" : "tanh");
}

at::Tensor PackedLinear::plus(const at::Tensor& x, const at::Tensor& residual) const {
  static const auto binary = find<Binary>("mkldnn::_linear_pointwise", "binary");
  if (!weight_.is_mkldnn() || !binary) return (*this)(x).add_(residual);
  return binary->call(x, residual, weight_, if_defined(bias_), "add");
}

PanelLinear::PanelLinear(const at::Tensor& weight, const at::Tensor& bias, at::ScalarType type) : out_(weight.size(0)) {
  const std::int64_t width = cpu::panel_width, panels = (out_ + width - 1) / width;
  const auto padded = [&](const at::Tensor& x, std::int64_t missing) {
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape[0] = missing;
    return missing == 0 ? x : at::cat({x, at::zeros(shape, x.options())});
  };
  panels_ = padded(weight.to(type), panels * width - out_).view({panels, width, weight.size(1)}).transpose(1, 2).contiguous();
  bias_ = bias.defined() ? padded(bias.to(at::kFloat), panels * width - out_) : at::zeros({panels * width});
}

at::Tensor PanelLinear::operator()(const at::Tensor& given, const at::Tensor& residual) const {
  const at::Tensor x = given.contiguous();
  const std::int64_t rows = x.size(0), depth = panels_.size(1), width = cpu::panel_width;
  at::Tensor out = at::empty({rows, out_}, x.options());
  const bool bf16 = panels_.scalar_type() == at::kBFloat16;
  const auto panel_bytes = depth * width * static_cast<std::int64_t>(panels_.element_size());
  const auto* const panels = static_cast<const char*>(panels_.const_data_ptr());
  const float *const from = x.const_data_ptr<float>(), *const bias = bias_.const_data_ptr<float>();
  const float* const add = residual.defined() ? residual.const_data_ptr<float>() : nullptr;
  float* const to = out.mutable_data_ptr<float>();
  parallel_for(0, panels_.size(0), 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      const std::int64_t column = panel * width;
      cpu::kernels().panel_product(bf16, from, rows, depth, panels + panel * panel_bytes, bias + column,
                                   add != nullptr ? add + column : nullptr, to + column, out_, std::min(width, out_ - column));
    }
  });
  return out;
}

}  // namespace thaw
