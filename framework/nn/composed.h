// The same operations as ops.h composed of ATen's, for devices that have no kernels of ours, and to judge those we have.
#pragma once

#include <ATen/ATen.h>

#include "framework/nn/ops.h"

namespace thaw::composed {

// Dropout's factors (0 or 1 / (1 − p)) for tokens site.first_token … + tokens: fp32 [tokens, width], on the CPU.
at::Tensor mask(const RandomSite& site, std::int64_t tokens, std::int64_t width);

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps);

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionRows& rows, double scale,
                     const RandomSite& site);

}  // namespace thaw::composed
