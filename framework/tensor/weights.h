// All weights of a pretrained model, whatever format they were published in. Which one is found by looking:
//   a directory  model.safetensors, else pytorch_model.bin (each also sharded, with its index), else CTranslate2's model.bin, else one
//                file of PyTorch's, *.pt
//   a file       by its first bytes
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "framework/base/json.h"
#include "framework/tensor/tensor_file.h"

namespace thaw {

class Weights {
 public:
  explicit Weights(const fs::path& path);
  // Where they were found, for messages.
  const std::string& where() const { return where_; }
  std::vector<std::string> names() const;
  bool has(const std::string& name) const { return places_.contains(name); }
  at::Tensor tensor(const std::string& name) const;  // as TensorFile's
  std::vector<std::int64_t> shape(const std::string& name) const;
  bool maps(const std::string& name) const;          // whether `tensor` gives a view over a mapped file
  const Json& values() const { return values_; }     // what else the (first) file says: see its format's header

  // The same under other names: each is one of these, or `rows` of its first dimension from `first` on.
  struct Source {
    std::string name;
    std::int64_t first = 0, rows = -1;  // -1: all
  };
  Weights renamed(const std::map<std::string, Source>& names) const;

 private:
  Weights() = default;
  void read_index(const fs::path& index);
  void add_file(const fs::path& path);  // and all its names

  struct Place {
    std::shared_ptr<const TensorFile> file;
    Source source;
  };
  std::string where_;
  std::map<std::string, Place> places_;
  Json values_ = Json::object();
};

// One file, of any of the formats, by its first bytes.
std::shared_ptr<const TensorFile> open_tensor_file(const fs::path& path);

}  // namespace thaw
