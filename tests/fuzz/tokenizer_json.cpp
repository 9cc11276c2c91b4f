// tokenizer.json; one that is accepted then encodes and decodes.
#include "datasets/tokenizers/tokenizer.h"

#include "datasets/tokenizers/whisper_tokens.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::folder().put("tokenizer.json", fuzz::text_of(data, size));
  fuzz::accepts([] {
    const std::shared_ptr<const Tokenizer> tokenizer = load_tokenizer(fuzz::folder().path());
    for (const std::size_t max_length : {0, 8}) {
      const std::string text = "A cat\xC3\xA9s, <new> \xE4\xB8\xAD\xFF sat [PAD]";
      fuzz::accepts([&] { tokenizer->encode(text, {}, max_length); });
      fuzz::accepts([&] { tokenizer->encode(text, "unaffable cats", max_length); });
    }
    const auto ids = tokenizer->encode_plain("they're a cat  [PAD]");
    for (const bool skip : {false, true}) tokenizer->decode(ids, skip);
    fuzz::accepts([&] {
      const WhisperTokens whisper(tokenizer);
      whisper.split_words(ids, "en");
      whisper.prompt("german", WhisperTask::transcribe, false);
    });
    tokenizer->token_id("[PAD]");
    tokenizer->vocabulary_size();
  });
  return 0;
}
