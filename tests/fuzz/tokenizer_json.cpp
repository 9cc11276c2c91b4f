// tokenizer.json; one that is accepted then encodes.
#include "datasets/tokenizers/tokenizer.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::folder().put("tokenizer.json", fuzz::text_of(data, size));
  fuzz::accepts([] {
    const auto tokenizer = load_tokenizer(fuzz::folder().path());
    for (const std::size_t max_length : {0, 8}) {
      const std::string text = "A cat\xC3\xA9s, <new> \xE4\xB8\xAD\xFF sat [PAD]";
      fuzz::accepts([&] { tokenizer->encode(text, {}, max_length); });
      fuzz::accepts([&] { tokenizer->encode(text, "unaffable cats", max_length); });
    }
    tokenizer->token_id("[PAD]");
    tokenizer->vocabulary_size();
  });
  return 0;
}
