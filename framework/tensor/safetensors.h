// safetensors: the hub's format of weights. Files are mapped, and every number in a header is checked before it is used:
// a lying header is a ModelError that names file, tensor, expected and found.
// Format: 8 bytes little-endian header length, JSON header, then the tensors' bytes (github.com/huggingface/safetensors).
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "framework/base/file.h"
#include "framework/tensor/tensor_file.h"

namespace thaw {

class SafetensorsFile : public TensorFile {
 public:
  explicit SafetensorsFile(const fs::path& path);
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  void read_header();
  std::map<std::string, std::string> metadata_;
};

struct WrittenFile {
  std::uint64_t bytes = 0;
  std::string xxh3;
};

// Writes atomically, a tensor at a time; tensors may be of any layout and device. Those named in `mapped` are views over a
// mapped file, and are released once written.
WrittenFile write_safetensors(const fs::path& path, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                              const std::map<std::string, std::string>& metadata = {}, const std::set<std::string>& mapped = {});

// A view over a mapped file leaves this process's memory until it is read again. Never of memory that can be written.
void release_mapped(const at::Tensor& view);

}  // namespace thaw
