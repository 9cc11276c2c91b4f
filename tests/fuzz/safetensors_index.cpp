// model.safetensors.index.json beside the one file that it should name.
#include "framework/tensor/weights.h"

#include "framework/tensor/safetensors.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const WrittenFile written =
      write_safetensors(fuzz::folder().path() / "model-00001-of-00001.safetensors", {{"weight", at::ones({2})}, {"bias", at::ones({1})}});
  fuzz::require(written.bytes > 0);
  fuzz::folder().put("model.safetensors.index.json", fuzz::text_of(data, size));
  fuzz::accepts([] {
    const Weights weights(fuzz::folder().path());
    for (const std::string& name : weights.names()) weights.tensor(name);
  });
  return 0;
}
