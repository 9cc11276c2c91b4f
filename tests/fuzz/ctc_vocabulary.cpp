// vocab.json, after two lines that are its tokenizer_config.json and special_tokens_map.json; a vocabulary that comes of them then
// encodes and decodes.
#include "datasets/tokenizers/ctc_vocabulary.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::string_view line = text.substr(0, text.find('\n'));
    fuzz::folder().put(name, line);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  fuzz::folder().put("vocab.json", text);
  fuzz::accepts([] {
    const auto vocabulary = load_ctc_vocabulary(fuzz::folder().path());
    fuzz::require(vocabulary->blank() < vocabulary->vocabulary_size() && vocabulary->delimiter() < vocabulary->vocabulary_size());
    const std::string transcript = "A TEA|\xC3\xA9\xFF <s> \xE4\xB8\xAD<pad>";
    const auto missing = vocabulary->unspellable(transcript);
    fuzz::accepts([&] {
      for (const std::uint32_t id : vocabulary->encode(transcript, std::nullopt, 8).ids) fuzz::require(id < vocabulary->vocabulary_size());
    });
    const std::vector<std::int64_t> frames = {-1, 0, 1, 1, 2, 2, 0, 2, 3, 4, 4, 5, 1 << 20};
    vocabulary->decode_labels(frames);
    for (const auto& word : vocabulary->words(frames)) fuzz::require(word.start < word.end && word.end <= frames.size());
  });
  return 0;
}
