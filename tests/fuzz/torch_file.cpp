// A file of torch.save, of either format; every byte of the tensors that it is said to hold is read.
#include "framework/tensor/torch_file.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tensors.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path path = fuzz::folder().put("weights.pt", fuzz::text_of(data, size));
  fuzz::accepts([&] {
    const TensorFile file = read_torch_file(path);
    fuzz::read_tensors(file);
    file.values().dump();
  });
  return 0;
}
