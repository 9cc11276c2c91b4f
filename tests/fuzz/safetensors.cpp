// A safetensors file; every byte of the tensors that it is said to hold is read.
#include "framework/tensor/safetensors.h"

#include "framework/base/hash.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path path = fuzz::folder().put("model.safetensors", fuzz::text_of(data, size));
  fuzz::accepts([&] {
    const SafetensorsFile file(path);
    for (const std::string& name : file.names()) {
      const at::Tensor tensor = file.tensor(name);
      hash_hex({static_cast<const char*>(tensor.data_ptr()), static_cast<std::size_t>(tensor.numel()) * tensor.element_size()});
    }
  });
  return 0;
}
