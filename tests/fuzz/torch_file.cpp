// A file of torch.save, of either format; every byte of the tensors that it is said to hold is read.
#include "framework/tensor/torch_file.h"

#include "framework/base/hash.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path path = fuzz::folder().put("weights.pt", fuzz::text_of(data, size));
  fuzz::accepts([&] {
    const TensorFile file = read_torch_file(path);
    for (const std::string& name : file.names()) {
      const at::Tensor tensor = file.tensor(name);
      hash_hex({static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()});
    }
    file.values().dump();
  });
  return 0;
}
