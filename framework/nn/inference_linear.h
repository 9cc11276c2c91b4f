// linear() for inference on the CPU: weights are rearranged once, and what follows the product is done on the way out.
#pragma once

#include <ATen/ATen.h>

#include "framework/nn/ops.h"

namespace thaw {

// For many rows (an encoder's): oneDNN's own layout of the weight. Values are of the weight's type, fp32 or bf16.
class PackedLinear {
 public:
  PackedLinear() = default;
  PackedLinear(const at::Tensor& weight, const at::Tensor& bias, at::ScalarType type);  // [out, in], [out] or undefined

  // x: [rows, in] → [rows, out]
  at::Tensor operator()(const at::Tensor& x) const;
  at::Tensor activated(const at::Tensor& x, Activation activation) const;
  at::Tensor plus(const at::Tensor& x, const at::Tensor& residual) const;  // residual: [rows, out]

 private:
  at::Tensor weight_, bias_;
};

// For few rows (a step of decoding): values are fp32, the weight fp32 or bf16. A row's bits do not depend on the others.
class PanelLinear {
 public:
  PanelLinear() = default;
  PanelLinear(const at::Tensor& weight, const at::Tensor& bias, at::ScalarType type);

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& residual = {}) const;  // fp32 [rows, in] → fp32 [rows, out]

 private:
  at::Tensor panels_, bias_;  // [panels, in, panel_width]; fp32 [panels, panel_width]
  std::int64_t out_ = 0;
};

}  // namespace thaw
