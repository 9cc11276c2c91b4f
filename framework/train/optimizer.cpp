#include "framework/train/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "framework/base/error.h"

namespace thaw {
namespace {

struct Coefficients {
  float decay, one_minus_beta1, beta2, one_minus_beta2, step_size, inverse_root, eps, scale;
};

__attribute__((target_clones("avx512f", "avx2", "default"))) void update(float* __restrict p, float* __restrict m, float* __restrict v,
                                                                         const float* __restrict g, std::int64_t count, Coefficients c) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float gradient = g[i] * c.scale;
    m[i] = m[i] + (gradient - m[i]) * c.one_minus_beta1;
    v[i] = v[i] * c.beta2 + gradient * gradient * c.one_minus_beta2;
    p[i] = p[i] * c.decay - c.step_size * m[i] / (std::sqrt(v[i]) * c.inverse_root + c.eps);
  }
}

__attribute__((target_clones("avx512f", "avx2", "default"))) void multiply(float* __restrict p, std::int64_t count, float factor) {
  for (std::int64_t i = 0; i < count; ++i) p[i] *= factor;
}

__attribute__((target_clones("avx512f", "avx2", "default"))) void round_to_bf16(const float* __restrict p, std::uint16_t* __restrict out,
                                                                                std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, p + i, sizeof bits);
    out[i] = static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
  }
}

__attribute__((target_clones("avx512f", "avx2", "default"))) double sum_of_squares(const float* __restrict g, std::int64_t count) {
  double sums[16] = {};
  std::int64_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (int lane = 0; lane < 16; ++lane) sums[lane] += static_cast<double>(g[i + lane]) * static_cast<double>(g[i + lane]);
  double sum = 0;
  for (const double part : sums) sum += part;
  for (; i < count; ++i) sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  return sum;
}

constexpr std::int64_t chunk = 1 << 16;  // small enough for the second look (bf16) to find it in the cache

// Elements `begin` to `end` of one parameter.
struct Span {
  float *p, *m, *v;
  const float* g;
  std::uint16_t* working;  // null where the model computes with p

  Span(const OptimizedParameter& parameter, const at::Tensor& m_all, const at::Tensor& v_all)
      : p(parameter.master.data_ptr<float>()),
        m(m_all.data_ptr<float>()),
        v(v_all.data_ptr<float>()),
        g(parameter.gradient.data_ptr<float>()),
        working(parameter.working.defined() ? static_cast<std::uint16_t*>(parameter.working.data_ptr()) : nullptr) {}

  void step(std::int64_t begin, std::int64_t end, const Coefficients& c) const {
    update(p + begin, m + begin, v + begin, g + begin, end - begin, c);
    if (working != nullptr) round_to_bf16(p + begin, working + begin, end - begin);
  }
  // The same where gradient and moments are zero.
  void decay(std::int64_t begin, std::int64_t end, const Coefficients& c) const {
    if (c.decay == 1) return;
    multiply(p + begin, end - begin, c.decay);
    if (working != nullptr) round_to_bf16(p + begin, working + begin, end - begin);
  }
};

}  // namespace

AdamW::AdamW(const OptimizerRecipe& recipe, std::vector<OptimizedParameter> parameters)
    : recipe_(recipe), parameters_(std::move(parameters)) {
  for (const OptimizedParameter& p : parameters_) {
    const std::int64_t rows = p.touched && p.master.is_cpu() ? p.master.size(0) : 0;
    moments_.push_back({at::zeros_like(p.master), at::zeros_like(p.master), 0, std::vector<std::uint8_t>(static_cast<std::size_t>(rows))});
  }
}

void AdamW::step(double factor, double gradient_scale) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const OptimizedParameter& parameter = parameters_[i];
    Moments& moments = moments_[i];
    const auto steps = static_cast<double>(++moments.steps);
    const double correction1 = 1 - std::pow(recipe_.beta1, steps), correction2 = 1 - std::pow(recipe_.beta2, steps);
    const double rate = parameter.lr * factor;
    const Coefficients c{static_cast<float>(1 - rate * (parameter.decay ? recipe_.weight_decay : 0)),
                         static_cast<float>(1 - recipe_.beta1),
                         static_cast<float>(recipe_.beta2),
                         static_cast<float>(1 - recipe_.beta2),
                         static_cast<float>(rate / correction1),
                         static_cast<float>(1 / std::sqrt(correction2)),
                         static_cast<float>(recipe_.eps),
                         static_cast<float>(gradient_scale)};
    if (!parameter.master.is_cpu()) {
      const at::Tensor gradient = parameter.gradient * c.scale;
      moments.m.lerp_(gradient, 1 - recipe_.beta1);
      moments.v.mul_(recipe_.beta2).addcmul_(gradient, gradient, 1 - recipe_.beta2);
      parameter.master.mul_(c.decay).addcdiv_(moments.m, moments.v.sqrt().mul_(c.inverse_root).add_(recipe_.eps), -c.step_size);
      if (parameter.working.defined()) parameter.working.copy_(parameter.master);
      continue;
    }
    const Span span(parameter, moments.m, moments.v);
    const std::int64_t count = parameter.master.numel(), rows = static_cast<std::int64_t>(moments.started.size());
    if (rows == 0) {
      at::parallel_for(0, (count + chunk - 1) / chunk, 1, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t k = first; k < last; ++k) span.step(k * chunk, std::min(count, (k + 1) * chunk), c);
      });
      continue;
    }
    const at::Tensor touched = parameter.touched();
    for (std::int64_t k = 0; k < touched.size(0); ++k) moments.started[static_cast<std::size_t>(touched.data_ptr<std::int64_t>()[k])] = 1;
    const std::int64_t width = count / rows;
    at::parallel_for(0, rows, std::max<std::int64_t>(1, chunk / width), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        if (moments.started[static_cast<std::size_t>(row)] != 0) span.step(row * width, (row + 1) * width, c);
        else span.decay(row * width, (row + 1) * width, c);
      }
    });
  }
}

State AdamW::state() const {
  State state;
  Json steps = Json::object();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    state.tensors["m/" + parameters_[i].name] = moments_[i].m;
    state.tensors["v/" + parameters_[i].name] = moments_[i].v;
    steps[parameters_[i].name] = moments_[i].steps;
  }
  state.values["steps"] = steps;
  return state;
}

void AdamW::load(const State& state) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& of = parameters_[i].name;
    for (const auto& [name, tensor] : {std::pair{"m/" + of, moments_[i].m}, {"v/" + of, moments_[i].v}}) {
      const auto found = state.tensors.find(name);
      if (found == state.tensors.end() || found->second.sizes() != tensor.sizes() || !state.values.at("steps").contains(of))
        throw ModelError("the optimizer's state lacks {} in its shape", name);
      tensor.copy_(found->second);
    }
    moments_[i].steps = state.values["steps"][of];
  }
  find_started();
}

void AdamW::adopt(const State& state) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& of = parameters_[i].name;
    const auto m = state.tensors.find("m/" + of), v = state.tensors.find("v/" + of);
    if (m == state.tensors.end() || v == state.tensors.end()) continue;
    moments_[i].m = m->second;
    moments_[i].v = v->second;
    moments_[i].steps = state.values.at("steps").at(of);
  }
  find_started();
}

void AdamW::expect(const std::string& name, const at::Tensor& rows) {
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (parameters_[i].name == name && !moments_[i].started.empty())
      for (std::int64_t k = 0; k < rows.size(0); ++k) moments_[i].started[static_cast<std::size_t>(rows.data_ptr<std::int64_t>()[k])] = 1;
}

void AdamW::find_started() {
  const at::NoGradGuard no_grad;
  for (Moments& moments : moments_) {
    if (moments.started.empty()) continue;
    const at::Tensor started = moments.m.ne(0).logical_or_(moments.v.ne(0)).flatten(1).any(1).to(at::kByte);
    std::copy_n(started.data_ptr<std::uint8_t>(), moments.started.size(), moments.started.begin());
  }
}

double global_norm(const std::vector<at::Tensor>& gradients) {
  double sum = 0;
  for (const at::Tensor& gradient : gradients) {
    if (!gradient.is_cpu()) {
      sum += gradient.to(at::kDouble).square().sum().item<double>();
      continue;
    }
    const std::int64_t count = gradient.numel(), chunks = (count + chunk - 1) / chunk;
    std::vector<double> parts(static_cast<std::size_t>(chunks));
    at::parallel_for(0, chunks, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t k = first; k < last; ++k)
        parts[static_cast<std::size_t>(k)] = sum_of_squares(gradient.data_ptr<float>() + k * chunk, std::min(chunk, count - k * chunk));
    });
    for (const double part : parts) sum += part;
  }
  return std::sqrt(sum);
}

}  // namespace thaw
