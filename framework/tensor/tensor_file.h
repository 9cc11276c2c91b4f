// Named tensors inside one mapped file: what every format of weights comes to once its header is read. The readers of the formats
// call `add`, which checks every number against the file, so that no later access leaves it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "framework/base/file.h"
#include "framework/base/json.h"

namespace thaw {

// Where a tensor lies.
struct StoredTensor {
  at::ScalarType type = at::kFloat;
  std::vector<std::int64_t> shape, strides;  // strides in elements; none: contiguous
  std::size_t begin = 0;                     // the byte of the file where its first element lies
  std::string scales;  // of a quantized one: the tensor that its rows, or all of it, are to be divided by; it is then read as fp32
};

class TensorFile {
 public:
  explicit TensorFile(const fs::path& path) : path_(path.string()), file_(std::make_shared<MappedFile>(path)) {}
  virtual ~TensorFile() = default;

  const std::string& path() const { return path_; }
  std::string_view text() const { return file_->text(); }
  std::vector<std::string> names() const;  // in alphabetical order
  bool has(const std::string& name) const { return tensors_.contains(name); }
  // A contiguous view over the mapping where the bytes lie contiguous and aligned for the dtype, else a contiguous copy.
  // Read-only: do not write into it. The mapping stays as long as a view does.
  at::Tensor tensor(const std::string& name) const;
  bool maps(const std::string& name) const;       // whether `tensor` gives a view
  const Json& values() const { return values_; }  // what else the file says, by the format's own keys

  // For readers. A name that is there already, a dtype or shape that cannot be, and elements outside the file are ModelErrors.
  void add(const std::string& name, StoredTensor stored);
  void add_alias(const std::string& alias, const std::string& name);
  const StoredTensor& stored(const std::string& name) const;
  void set_values(Json values) { values_ = std::move(values); }

 private:
  std::string path_;
  std::shared_ptr<MappedFile> file_;
  std::map<std::string, StoredTensor> tensors_;
  Json values_ = Json::object();
};

}  // namespace thaw
