#include "framework/models/model.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <numeric>

#include "framework/base/error.h"
#include "framework/tensor/safetensors.h"

namespace thaw {
namespace {

// Whether a parameter is still the file's, which has just these values, bit by bit: most of what a checkpoint brings of a
// frozen model.
bool in_file(const Parameter& parameter, const at::Tensor& values) {
  if (!parameter.mapped || values.scalar_type() != at::kFloat) return false;
  const bool same = at::equal(parameter.value.view(at::kInt), values.view(at::kInt));
  if (parameter.working.defined() && parameter.working.scalar_type() != at::kFloat) release_mapped(parameter.value);
  return same;
}

}  // namespace

void Parameter::own() {
  if (!mapped) return;
  const at::NoGradGuard no_grad;
  // As far behind the start of a cache line, where at::empty begins, as in the file: the last bits of matrix times vector
  // depend on it, and are not to depend on whether a weight is owned yet.
  constexpr std::uintptr_t line = 64;
  const auto skipped = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(value.data_ptr()) % line / sizeof(float));
  const at::Tensor room = at::empty({skipped + value.numel()}, value.options()), view = value;
  value = room.narrow(0, skipped, value.numel()).view(value.sizes()).copy_(view);
  release_mapped(view);
  if (working.defined()) working = working.scalar_type() == at::kFloat ? value.detach() : working.clone();
  mapped = false;
}

void Parameter::set(const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  if (in_file(*this, values)) return;
  own();
  value.copy_(values);
  if (working.defined() && working.scalar_type() != at::kFloat) working.copy_(value);
}

at::Tensor Parameter::kept(const at::Tensor& values) const { return in_file(*this, values) ? value : values.clone(); }

Parameter& Model::add(std::string name, at::IntArrayRef shape, Role role, int group) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent <= 0 || extent > most / count) throw ModelError("config.json: {} would have the shape {}", name, fmt::join(shape, "×"));
    count *= extent;
  }
  Parameter parameter;
  parameter.name = std::move(name);
  parameter.role = role;
  parameter.group = group;
  parameter.uses = {group};
  parameter.keep_fp32 = role == Role::norm || role == Role::embedding;
  parameter.value = at::empty(shape, at::device(at::kMeta).dtype(at::kFloat));  // memory comes with the weights
  return parameters.emplace_back(std::move(parameter));
}

Parameter* Model::find(const std::string& name) {
  const auto found = std::find_if(parameters.begin(), parameters.end(), [&](const Parameter& p) { return p.name == name; });
  return found == parameters.end() ? nullptr : &*found;
}

std::int64_t Model::parameter_count() const {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters) count += parameter.value.numel();
  return count;
}

Packed pack_of(std::vector<std::int64_t> cu_seqlens) {
  Packed packed;
  packed.cu_seqlens = std::move(cu_seqlens);
  for (std::size_t row = 0; row + 1 < packed.cu_seqlens.size(); ++row)
    packed.max_length = std::max(packed.max_length, packed.cu_seqlens[row + 1] - packed.cu_seqlens[row]);
  return packed;
}

Packed rows_of_one(std::size_t rows) {
  std::vector<std::int64_t> cu_seqlens(rows + 1);
  std::iota(cu_seqlens.begin(), cu_seqlens.end(), 0);
  return pack_of(std::move(cu_seqlens));
}

at::Tensor Model::forward(std::vector<std::int64_t> cu_seqlens, const Context& context) const {
  return run(pack_of(std::move(cu_seqlens)), context, 0, static_cast<int>(layers.size())).values;
}

Packed Model::run(Packed packed, const Context& context, int first, int last) const {
  Context asleep = context;
  asleep.training = false;
  for (int i = first; i < last; ++i) {
    const at::AutoGradMode graph(at::GradMode::is_enabled() && i >= frontier_);
    const auto layer = static_cast<std::size_t>(i);
    packed = layers[layer].forward(packed, layer_learns_[layer] ? context : asleep);
  }
  return packed;
}

void Model::set_learning(const std::vector<bool>& learning) {
  layer_learns_.assign(layers.size(), false);
  frontier_ = frontier_of(learning);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const bool learns = learning[i] && !parameters[i].fixed;
    if (learns) parameters[i].own();
    parameters[i].working.set_requires_grad(learns);
    if (!learns) continue;
    for (const int use : parameters[i].uses) layer_learns_[static_cast<std::size_t>(use)] = true;
  }
}

int Model::frontier_of(const std::vector<bool>& learning) const {
  int frontier = static_cast<int>(layers.size());
  for (std::size_t i = 0; i < learning.size(); ++i)
    if (learning[i] && !parameters[i].fixed) frontier = std::min(frontier, parameters[i].uses.front());
  return frontier;
}

void Model::set_precision(at::ScalarType type, const Copy& copy) {
  flow_type_ = type;
  for (Parameter& parameter : parameters) {
    const bool copies = parameter.computes_with(type) != at::kFloat;
    // detach: `working` is its own autograd leaf, over the same memory where no copy is needed
    parameter.working = (copies && copy ? copy(parameter) : parameter.value.to(parameter.computes_with(type))).detach();
    if (copies && parameter.mapped) release_mapped(parameter.value);
  }
  set_learning(std::vector<bool>(parameters.size(), false));
}

void Model::to(const at::Device& device) {
  for (Parameter& parameter : parameters) {
    parameter.value = parameter.value.to(device);
    parameter.mapped &= device.is_cpu();
  }
}

}  // namespace thaw
