// safetensors: the hub's format of weights. Files are mapped, and every number in a header is checked before it is used:
// a lying header is a ModelError that names file, tensor, expected and found.
// Format: 8 bytes little-endian header length, JSON header, then the tensors' bytes (github.com/huggingface/safetensors).
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "framework/base/file.h"

namespace thaw {

class SafetensorsFile {
 public:
  explicit SafetensorsFile(const fs::path& path);

  std::vector<std::string> names() const;  // in alphabetical order
  bool has(const std::string& name) const { return entries_.contains(name); }
  // A contiguous view over the mapping where the bytes are aligned for the dtype, else a copy. Read-only: do not write into it.
  // The mapping stays as long as a view does.
  at::Tensor tensor(const std::string& name) const;
  bool maps(const std::string& name) const;  // whether `tensor` gives a view
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  struct Entry {
    at::ScalarType type;
    std::vector<std::int64_t> shape;
    std::size_t begin, end;  // in the file
  };
  void read_header();
  const Entry& entry(const std::string& name) const;

  std::string path_;
  std::shared_ptr<MappedFile> file_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

// All weights of a model directory: model.safetensors, or the shards that model.safetensors.index.json names.
class Weights {
 public:
  explicit Weights(const fs::path& directory);
  std::vector<std::string> names() const;
  bool has(const std::string& name) const { return file_of_.contains(name); }
  at::Tensor tensor(const std::string& name) const;
  bool maps(const std::string& name) const;

 private:
  std::vector<SafetensorsFile> files_;
  std::map<std::string, std::size_t> file_of_;
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
