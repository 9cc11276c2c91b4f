// A model's config.json, built as far as names and shapes go.
#include "framework/models/registry.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accepts([&] { build_model(JsonFile("config.json", fuzz::text_of(data, size)).view(), HeadSpec{}); });
  return 0;
}
