#include "framework/thaw/shared_weights.h"

#include <ATen/core/grad_mode.h>

#include "framework/thaw/shared_file.h"

namespace thaw {
namespace {

constexpr const char* directory = "/dev/shm";

std::uint64_t room_of(const Parameter& parameter, at::ScalarType type) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(parameter.value.numel()) * c10::elementSize(type);
  return (bytes + 63) / 64 * 64;  // each begins at a cache line, as at::empty would
}

}  // namespace

std::string set_precision_together(Model& model, at::ScalarType type, Communicator& comm) {
  const std::unique_ptr<Communicator> node = comm.split_node();
  std::uint64_t bytes = 0;
  for (const Parameter& parameter : model.parameters)
    if (parameter.mapped && parameter.computes_with(type) != at::kFloat) bytes += room_of(parameter, type);
  std::shared_ptr<SharedFile> file;
  std::string problem;
  if (node->size() > 1 && bytes > 0) file = SharedFile::create(*node, directory, bytes, problem);
  if (!file) {
    model.set_precision(type);
    return problem;
  }
  std::uint64_t begin = 0;
  int turn = 0;
  model.set_precision(type, [&](const Parameter& parameter) {
    if (!parameter.mapped) return parameter.value.to(type);
    at::Tensor copy = at::from_blob(
        file->data() + begin, parameter.value.sizes(), [file](void*) {}, at::dtype(type));
    begin += room_of(parameter, type);
    if (turn++ % node->size() == node->rank()) copy.copy_(parameter.value);
    return copy;
  });
  node->barrier();
  return "";
}

}  // namespace thaw
