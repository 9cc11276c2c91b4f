#include "framework/tensor/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "framework/base/error.h"

namespace thaw {

void State::erase(const std::string& tensor) {
  tensors.erase(tensor);
  mapped.erase(tensor);
  pieces.erase(tensor);
}

void merge(State& into, const std::string& prefix, const State& part) {
  for (const auto& [name, tensor] : part.tensors) into.tensors[prefix + "/" + name] = tensor;
  for (const auto& [name, first] : part.pieces) into.pieces[prefix + "/" + name] = first;
  into.values[prefix] = part.values;
}

State part(const State& whole, const std::string& prefix) {
  State state;
  for (auto at = whole.tensors.lower_bound(prefix + "/"); at != whole.tensors.end() && at->first.starts_with(prefix + "/"); ++at)
    state.tensors[at->first.substr(prefix.size() + 1)] = at->second;
  if (whole.values.contains(prefix)) state.values = whole.values.at(prefix);
  return state;
}

WrittenFile save_state(const fs::path& path, const State& state) {
  std::vector<std::pair<std::string, at::Tensor>> tensors(state.tensors.begin(), state.tensors.end());
  for (auto& [name, unused] : tensors)
    if (const auto piece = state.pieces.find(name); piece != state.pieces.end()) name = piece_name(name, piece->second);
  return write_safetensors(path, tensors, {{"thaw.values", state.values.dump()}}, state.mapped);
}

State load_state(const fs::path& path) {
  const SafetensorsFile file(path);
  const auto values = file.metadata().find("thaw.values");
  if (values == file.metadata().end()) throw ModelError("{}: no state of Thaw's: the metadata lacks thaw.values", path.string());
  State state;
  state.values = JsonFile(path.string() + " (values)", values->second).raw();
  for (const std::string& name : file.names()) {
    state.tensors[name] = file.tensor(name);
    if (file.maps(name)) state.mapped.insert(name);
  }
  return state;
}

std::string piece_name(const std::string& tensor, std::int64_t first) { return fmt::format("{}@{}", tensor, first); }

at::Tensor elements_of(const State& loaded, const std::string& name, std::int64_t begin, std::int64_t end) {
  at::Tensor elements;
  std::int64_t found = 0;
  const auto take = [&](const at::Tensor& tensor, std::int64_t first) {
    const std::int64_t from = std::max(begin, first), to = std::min(end, first + tensor.numel());
    if (!elements.defined()) elements = at::empty({end - begin}, tensor.options());
    if (from >= to || tensor.scalar_type() != elements.scalar_type()) return;
    elements.narrow(0, from - begin, to - from).copy_(tensor.flatten().narrow(0, from - first, to - from));
    found += to - from;
  };
  if (const auto whole = loaded.tensors.find(name); whole != loaded.tensors.end()) take(whole->second, 0);
  const std::string of = name + "@";
  for (auto piece = loaded.tensors.lower_bound(of); piece != loaded.tensors.end() && piece->first.starts_with(of); ++piece) {
    std::int64_t first = 0;
    const char *const text = piece->first.data() + of.size(), *const past = piece->first.data() + piece->first.size();
    if (std::from_chars(text, past, first).ptr == past && first >= 0) take(piece->second, first);
  }
  return found == end - begin ? elements : at::Tensor();
}

}  // namespace thaw
