// What layers are made of: parameters declared under one prefix, and the operations that read them.
#pragma once

#include <string>

#include "framework/models/model.h"
#include "framework/nn/ops.h"

namespace thaw {

struct Linear {
  const Parameter *weight, *bias;  // no bias: null
  at::Tensor operator()(const at::Tensor& x) const { return linear(x, weight->working, bias != nullptr ? bias->working : at::Tensor()); }
};

struct Norm {
  const Parameter *gamma, *beta;
  double eps;
  at::Tensor operator()(const at::Tensor& x) const { return layer_norm(x, gamma->working, beta->working, eps); }
};

// Declares parameters under one prefix, all of one layer.
struct Declare {
  Model& model;
  std::string prefix;
  int group;
  bool keep_fp32 = false, of_first_tokens = false;

  Parameter& add(const std::string& name, at::IntArrayRef shape, Role role) const {
    Parameter& parameter = model.add(prefix + name, shape, role, group);
    parameter.keep_fp32 |= keep_fp32;
    parameter.of_first_tokens = of_first_tokens;
    return parameter;
  }
  Linear linear(const std::string& name, std::int64_t in, std::int64_t out, bool with_bias = true) const {
    const Parameter& weight = add(name + ".weight", {out, in}, Role::matrix);
    return {&weight, with_bias ? &add(name + ".bias", {out}, Role::bias) : nullptr};
  }
  Norm norm(const std::string& name, std::int64_t width, double eps) const {
    return {&add(name + ".weight", {width}, Role::norm), &add(name + ".bias", {width}, Role::norm), eps};
  }
};

}  // namespace thaw
