// State: what every part of training that has state gives and takes: named tensors and JSON. A checkpoint is their union.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <set>
#include <string>

#include "framework/base/file.h"
#include "framework/base/json.h"
#include "framework/tensor/safetensors.h"

namespace thaw {

struct State {
  std::map<std::string, at::Tensor> tensors;
  std::set<std::string> mapped;  // names of those that are views over a mapped file: nobody writes into them
  // Those of which every rank has another part: flat, from this element of the whole on.
  std::map<std::string, std::int64_t> pieces;
  Json values = Json::object();

  void erase(const std::string& tensor);
};

// Puts a part under "prefix/…" (tensors) and values[prefix]; `part` takes it out again. Neither says what is mapped.
void merge(State& into, const std::string& prefix, const State& part);
State part(const State& whole, const std::string& prefix);

// One safetensors file, the values in its metadata; a piece is NAME@FIRST there, and after loading. `load_state` throws
// ModelError or FileError.
WrittenFile save_state(const fs::path& path, const State& state);
State load_state(const fs::path& path);

std::string piece_name(const std::string& tensor, std::int64_t first);
// Elements `begin` to `end` of a tensor, flat and copied, from what was loaded of it: the whole, or any ranks' pieces of it.
// Undefined where that lacks some.
at::Tensor elements_of(const State& loaded, const std::string& name, std::int64_t begin, std::int64_t end);

}  // namespace thaw
