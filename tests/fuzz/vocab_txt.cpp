// vocab.txt, after a first line that is its tokenizer_config.json; a tokenizer that comes of them then encodes.
#include "datasets/tokenizers/tokenizer.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size), config = text.substr(0, text.find('\n'));
  fuzz::folder().put("tokenizer_config.json", config);
  fuzz::folder().put("vocab.txt", text.substr(std::min(config.size() + 1, text.size())));
  fuzz::accepts([] {
    const auto tokenizer = load_tokenizer(fuzz::folder().path());
    fuzz::accepts([&] { tokenizer->encode("A cat\xC3\xA9s, [MASK] sat", "unaffable", 8); });
  });
  return 0;
}
