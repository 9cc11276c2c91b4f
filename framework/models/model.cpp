#include "framework/models/model.h"

#include <algorithm>

#include "framework/base/error.h"

namespace thaw {

Parameter& Model::add(std::string name, at::IntArrayRef shape, Role role, int group) {
  for (const std::int64_t extent : shape)
    if (extent <= 0 || extent > (std::int64_t{1} << 40))
      throw ModelError("config.json: {} would have the shape {}", name, fmt::join(shape, "×"));
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

at::Tensor Model::forward(std::vector<std::int64_t> cu_seqlens, const Context& context) const {
  Packed packed;
  packed.cu_seqlens = std::move(cu_seqlens);
  for (std::size_t row = 0; row + 1 < packed.cu_seqlens.size(); ++row)
    packed.max_length = std::max(packed.max_length, packed.cu_seqlens[row + 1] - packed.cu_seqlens[row]);
  for (const Layer& layer : layers) packed = layer.forward(packed, context);
  return packed.values;
}

void Model::set_precision(at::ScalarType type) {
  for (Parameter& parameter : parameters) {
    // detach: `working` is its own autograd leaf, over the same memory where no copy is needed
    parameter.working = (parameter.keep_fp32 ? parameter.value : parameter.value.to(type)).detach();
    parameter.working.set_requires_grad(true);
  }
}

void Model::to(const at::Device& device) {
  for (Parameter& parameter : parameters) parameter.value = parameter.value.to(device);
}

}  // namespace thaw
