#include "framework/train/inputs/inputs.h"

namespace thaw {
namespace {

template <typename Of>
std::vector<std::uint32_t> of_rows(const DataSet& set, const Of& of) {
  std::vector<std::uint32_t> values(set.shards->rows());
  for (std::uint64_t row = 0; row < values.size(); ++row) values[row] = of(row);
  return values;
}

}  // namespace

std::vector<std::uint32_t> lengths_of(const Inputs& inputs, const DataSet& set) {
  return of_rows(set, [&](std::uint64_t row) { return inputs.length(*set.shards, row); });
}

std::vector<std::uint32_t> sizes_of(const Inputs& inputs, const DataSet& set) {
  return of_rows(set, [&](std::uint64_t row) { return inputs.size(*set.shards, row); });
}

void move_to(Context& context, const at::Device& device) {
  for (at::Tensor* tensor : {&context.input_ids, &context.token_types, &context.positions, &context.features})
    if (tensor->defined()) *tensor = tensor->to(device);
}

}  // namespace thaw
