// What fuzz targets of files of weights do with one that was accepted.
#pragma once

#include "framework/base/hash.h"
#include "framework/tensor/tensor_file.h"

namespace thaw::fuzz {

// Every byte of the tensors that it is said to hold is read.
inline void read_tensors(const TensorFile& file) {
  for (const std::string& name : file.names()) {
    const at::Tensor tensor = file.tensor(name);
    hash_hex({static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()});
  }
}

}  // namespace thaw::fuzz
