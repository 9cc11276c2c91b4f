// CTranslate2's model.bin; every byte of the tensors that it is said to hold is read.
#include "framework/tensor/ctranslate2_file.h"

#include "framework/base/hash.h"
#include "framework/models/whisper_names.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path path = fuzz::folder().put("model.bin", fuzz::text_of(data, size));
  fuzz::accepts([&] {
    const TensorFile file = read_ctranslate2_file(path);
    for (const std::string& name : file.names()) {
      const at::Tensor tensor = file.tensor(name);
      hash_hex({static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()});
    }
  });
  fuzz::accepts([&] { whisper_under_hub_names(Weights(path)); });
  return 0;
}
