#include "framework/tensor/state.h"

#include "framework/base/error.h"

namespace thaw {

void merge(State& into, const std::string& prefix, const State& part) {
  for (const auto& [name, tensor] : part.tensors) into.tensors[prefix + "/" + name] = tensor;
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
  const std::vector<std::pair<std::string, at::Tensor>> tensors(state.tensors.begin(), state.tensors.end());
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

}  // namespace thaw
