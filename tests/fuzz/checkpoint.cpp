// A checkpoint's manifest.json, beside the state that it should describe: a damaged one is passed over with its reason.
#include "framework/train/checkpoint.h"

#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::folder().put("checkpoints/step-00000001/state.safetensors", "state");
  fuzz::folder().put("checkpoints/step-00000001/manifest.json", fuzz::text_of(data, size));
  const FoundCheckpoint found = newest_checkpoint(fuzz::folder().path());
  fuzz::require(found.path.has_value() != (found.damaged.size() == 1));
  return 0;
}
