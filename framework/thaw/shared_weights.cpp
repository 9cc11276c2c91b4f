#include "framework/thaw/shared_weights.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "framework/base/shared_memory.h"
#include "framework/thaw/shared_file.h"

namespace thaw {
namespace {

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
  if (node->size() > 1 && bytes > 0) {
    bool room = shared_memory_holds(bytes);
    node->broadcast(&room, sizeof room, 0);  // as the node's first rank sees it
    if (room) file = SharedFile::create(*node, shared_memory, bytes, problem);
    else problem = fmt::format("{} has no room for {} MiB", shared_memory, bytes >> 20);
  }
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
