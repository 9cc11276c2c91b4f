// CTranslate2's model.bin; every byte of the tensors that it is said to hold is read.
#include "framework/tensor/ctranslate2_file.h"

#include "framework/models/whisper_names.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tensors.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path path = fuzz::folder().put("model.bin", fuzz::text_of(data, size));
  fuzz::accepts([&] {
    const TensorFile file = read_ctranslate2_file(path);
    fuzz::read_tensors(file);
  });
  fuzz::accepts([&] { whisper_under_hub_names(Weights(path)); });
  return 0;
}
