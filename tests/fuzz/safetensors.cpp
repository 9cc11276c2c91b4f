// A safetensors file; every byte of the tensors that it is said to hold is read.
#include "framework/tensor/safetensors.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tensors.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path path = fuzz::folder().put("model.safetensors", fuzz::text_of(data, size));
  fuzz::accepts([&] {
    const SafetensorsFile file(path);
    fuzz::read_tensors(file);
  });
  return 0;
}
