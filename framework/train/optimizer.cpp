#include "framework/train/optimizer.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "framework/base/error.h"
#include "framework/nn/parallel.h"

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

// Elements of one parameter. Moments are there from element `offset` on.
struct Span {
  float *p, *m, *v;
  const float* g;
  std::uint16_t* working;  // null where the model computes with p
  std::int64_t offset;

  Span(const OptimizedParameter& parameter, const at::Tensor& m_kept, const at::Tensor& v_kept, std::int64_t first_kept)
      : p(parameter.master.data_ptr<float>()),
        m(m_kept.data_ptr<float>()),
        v(v_kept.data_ptr<float>()),
        g(parameter.gradient.data_ptr<float>()),
        working(parameter.working.defined() ? static_cast<std::uint16_t*>(parameter.working.data_ptr()) : nullptr),
        offset(first_kept) {}

  void step(std::int64_t begin, std::int64_t end, const Coefficients& c) const {
    update(p + begin, m + (begin - offset), v + (begin - offset), g + begin, end - begin, c);
    if (working != nullptr) round_to_bf16(p + begin, working + begin, end - begin);
  }
  // The same where gradient and moments are zero.
  void decay(std::int64_t begin, std::int64_t end, const Coefficients& c) const {
    if (c.decay == 1) return;
    multiply(p + begin, end - begin, c.decay);
    if (working != nullptr) round_to_bf16(p + begin, working + begin, end - begin);
  }
};

std::int64_t width_of(const at::Tensor& parameter) { return parameter.numel() / std::max<std::int64_t>(1, parameter.size(0)); }

at::Tensor elements(const at::Tensor& whole, const Slice& slice) { return whole.view({-1}).narrow(0, slice.begin, slice.count()); }

}  // namespace

Slice slice_of(const at::Tensor& parameter, int rank, int ranks) {
  const std::int64_t count = parameter.numel();
  if (ranks == 1) return {0, count};
  const std::int64_t unit = parameter.dim() > 1 ? std::max<std::int64_t>(1, width_of(parameter)) : 64;
  const std::int64_t units = (count + unit - 1) / unit, each = (units + ranks - 1) / ranks * unit;
  return {std::min(count, rank * each), std::min(count, (rank + 1) * each)};
}

AdamW::AdamW(const OptimizerRecipe& recipe, std::vector<OptimizedParameter> parameters, std::shared_ptr<Communicator> sharers)
    : recipe_(recipe), parameters_(std::move(parameters)) {
  if (sharers && sharers->size() > 1) sharers_ = std::move(sharers);
  for (const OptimizedParameter& p : parameters_) {
    const std::int64_t rows = p.touched && p.master.is_cpu() ? p.master.size(0) : 0;
    const at::Tensor kept = sharers_ ? elements(p.master, slice(p.master)) : p.master;
    moments_.push_back({at::zeros_like(kept), at::zeros_like(kept), 0, std::vector<std::uint8_t>(static_cast<std::size_t>(rows))});
  }
}

void AdamW::step(double factor, double gradient_scale) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const OptimizedParameter& parameter = parameters_[i];
    Moments& moments = moments_[i];
    const Slice own = slice(parameter.master);
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
      const at::Tensor m = moments.m.view({-1}), v = moments.v.view({-1}), master = elements(parameter.master, own);
      const at::Tensor gradient = elements(parameter.gradient, own) * c.scale;
      m.lerp_(gradient, 1 - recipe_.beta1);
      v.mul_(recipe_.beta2).addcmul_(gradient, gradient, 1 - recipe_.beta2);
      master.mul_(c.decay).addcdiv_(m, v.sqrt().mul_(c.inverse_root).add_(recipe_.eps), -c.step_size);
      if (parameter.working.defined()) elements(parameter.working, own).copy_(master);
      continue;
    }
    const Span span(parameter, moments.m, moments.v, own.begin);
    const auto rows = static_cast<std::int64_t>(moments.started.size());
    if (rows == 0) {
      parallel_for(0, (own.count() + chunk - 1) / chunk, 1, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t k = first; k < last; ++k) span.step(own.begin + k * chunk, std::min(own.end, own.begin + (k + 1) * chunk), c);
      });
      continue;
    }
    const at::Tensor touched = parameter.touched();
    for (std::int64_t k = 0; k < touched.size(0); ++k) moments.started[static_cast<std::size_t>(touched.data_ptr<std::int64_t>()[k])] = 1;
    // Rows without moments every rank decays by itself, whoever's they are: they need no gathering.
    const std::int64_t width = width_of(parameter.master);
    parallel_for(0, rows, std::max<std::int64_t>(1, chunk / width), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        const std::int64_t begin = row * width, end = begin + width;
        if (moments.started[static_cast<std::size_t>(row)] == 0) span.decay(begin, end, c);
        else if (begin >= own.begin && end <= own.end) span.step(begin, end, c);
      }
    });
  }
  if (sharers_) gather();
}

// What a rank has updated of a parameter, as every rank knows.
std::vector<Slice> AdamW::updated_by(std::size_t i, int rank) const {
  const Slice all = slice_of(parameters_[i].master, rank, ranks());
  const std::vector<std::uint8_t>& started = moments_[i].started;
  if (all.count() == 0) return {};
  if (started.empty()) return {all};
  std::vector<Slice> runs;
  const std::int64_t width = width_of(parameters_[i].master);
  for (std::int64_t at = all.begin; at < all.end; at += width) {
    if (started[static_cast<std::size_t>(at / width)] == 0) continue;
    if (!runs.empty() && runs.back().end == at) runs.back().end += width;
    else runs.push_back({at, at + width});
  }
  return runs;
}

// Brings every rank what the others have updated: each rank's runs lie end to end, and travel in rounds of a few MiB.
void AdamW::gather() {
  struct Run {
    std::size_t parameter;
    Slice elements;
    std::int64_t at = 0;  // in a round's buffer
  };
  std::vector<std::vector<Run>> left(static_cast<std::size_t>(ranks()));  // to be sent, by rank
  std::int64_t longest = 0;
  for (int of = 0; of < ranks(); ++of) {
    std::int64_t total = 0;
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      for (const Slice& run : updated_by(i, of)) {
        left[static_cast<std::size_t>(of)].push_back({i, run});
        total += run.count();
      }
    longest = std::max(longest, total);
  }
  bytes_ = static_cast<std::uint64_t>(longest) * sizeof(float);
  // A rank's next `count` elements, which begin at `at` in the buffer.
  const auto take = [&](int of, std::int64_t count, std::int64_t at) {
    std::vector<Run> taken;
    std::vector<Run>& runs = left[static_cast<std::size_t>(of)];
    auto whole = runs.begin();
    while (whole != runs.end() && count > 0) {
      const std::int64_t end = std::min(whole->elements.end, whole->elements.begin + count);
      taken.push_back({whole->parameter, {whole->elements.begin, end}, at});
      at += taken.back().elements.count();
      count -= taken.back().elements.count();
      whole->elements.begin = end;
      if (whole->elements.count() == 0) ++whole;
    }
    runs.erase(runs.begin(), whole);
    return taken;
  };
  const auto each = [&](const std::vector<Run>& runs, const auto& call) {  // kernels are started by one thread
    const auto count = static_cast<std::int64_t>(runs.size());
    const auto some = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        call(parameters_[runs[static_cast<std::size_t>(i)].parameter], runs[static_cast<std::size_t>(i)]);
    };
    if (parameters_.front().master.is_cpu()) parallel_for(0, count, 1, some);
    else some(0, count);
  };
  const std::int64_t round = std::min(longest, std::max<std::int64_t>(1 << 12, (std::int64_t{4} << 20) / ranks()));
  const at::TensorOptions options = parameters_.front().master.options();
  const at::Tensor mine = at::empty({round}, options), all = at::empty({round * ranks()}, options);
  for (std::int64_t sent = 0; sent < longest; sent += round) {
    const std::int64_t count = std::min(round, longest - sent);
    each(take(rank(), count, 0), [&](const OptimizedParameter& p, const Run& run) {
      const std::int64_t length = run.elements.count();
      if (!p.master.is_cpu()) mine.narrow(0, run.at, length).copy_(elements(p.master, run.elements));
      else std::copy_n(p.master.data_ptr<float>() + run.elements.begin, length, mine.data_ptr<float>() + run.at);
    });
    sharers_->all_gather(mine.data_ptr(), static_cast<std::size_t>(count) * sizeof(float), all.data_ptr());
    std::vector<Run> others;
    for (int of = 0; of < ranks(); ++of)
      if (of != rank())
        for (const Run& run : take(of, count, of * count)) others.push_back(run);
    each(others, [&](const OptimizedParameter& p, const Run& run) {
      const std::int64_t length = run.elements.count();
      if (!p.master.is_cpu()) {
        elements(p.master, run.elements).copy_(all.narrow(0, run.at, length));
        if (p.working.defined()) elements(p.working, run.elements).copy_(elements(p.master, run.elements));
        return;
      }
      float* const master = p.master.data_ptr<float>() + run.elements.begin;
      std::copy_n(all.data_ptr<float>() + run.at, length, master);
      if (p.working.defined()) round_to_bf16(master, static_cast<std::uint16_t*>(p.working.data_ptr()) + run.elements.begin, length);
    });
  }
}

State AdamW::state() const {
  State state;
  Json steps = Json::object();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    for (const auto& [name, tensor] : {std::pair{"m/" + parameters_[i].name, moments_[i].m}, {"v/" + parameters_[i].name, moments_[i].v}}) {
      state.tensors[name] = tensor;
      if (sharers_) state.pieces[name] = slice(parameters_[i].master).begin;
    }
    steps[parameters_[i].name] = moments_[i].steps;
  }
  state.values["steps"] = steps;
  return state;
}

void AdamW::load(const State& loaded, bool all) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const OptimizedParameter& p = parameters_[i];
    const Slice own = slice(p.master);
    Moments& moments = moments_[i];
    const auto found = [&](const std::string& name) {
      const auto whole = loaded.tensors.find(name);
      const bool other = whole != loaded.tensors.end() && whole->second.sizes() != p.master.sizes();
      return other ? at::Tensor() : elements_of(loaded, name, own.begin, own.end);
    };
    const at::Tensor m = found("m/" + p.name), v = found("v/" + p.name);
    if (!m.defined() || !v.defined() || !loaded.values.at("steps").contains(p.name)) {
      if (all) throw ModelError("the optimizer's state lacks the moments of {} in its shape", p.name);
      continue;
    }
    moments.m = m.to(p.master.device()).view(moments.m.sizes());
    moments.v = v.to(p.master.device()).view(moments.v.sizes());
    moments.steps = loaded.values["steps"][p.name];
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
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    std::vector<std::uint8_t>& started = moments_[i].started;
    if (started.empty()) continue;
    const Slice own = slice(parameters_[i].master);
    const std::int64_t width = width_of(parameters_[i].master);
    const at::Tensor rows = moments_[i].m.ne(0).logical_or_(moments_[i].v.ne(0)).view({own.count() / width, width}).any(1).to(at::kByte);
    std::fill(started.begin(), started.end(), std::uint8_t{0});
    std::copy_n(rows.data_ptr<std::uint8_t>(), rows.numel(), started.begin() + own.begin / width);
    if (sharers_) sharers_->all_reduce(started.data(), started.size(), CommType::u8, CommOp::max);
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
    parallel_for(0, chunks, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t k = first; k < last; ++k)
        parts[static_cast<std::size_t>(k)] = sum_of_squares(gradient.data_ptr<float>() + k * chunk, std::min(chunk, count - k * chunk));
    });
    for (const double part : parts) sum += part;
  }
  return std::sqrt(sum);
}

}  // namespace thaw
