// merges.txt, after a first line that is its tokenizer_config.json and a second that is added_tokens.json, beside a vocab.json of all
// bytes and some pairs; a tokenizer that comes of them then encodes.
#include <string>

#include "datasets/tokenizers/byte_level.h"
#include "datasets/tokenizers/tokenizer.h"
#include "datasets/tokenizers/utf8.h"
#include "framework/base/json.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

namespace {

std::string vocabulary() {
  Json vocab = Json::object();
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string entry;
    append_utf8(entry, byte_level::character_of(static_cast<unsigned char>(byte)));
    vocab[entry] = byte;
  }
  for (const char* pair : {"ab", "aba", "abab", "ba", "\u0120a", "\u0120ab", "the", "th", "he", "<|endoftext|>"})
    vocab[pair] = vocab.size();
  return vocab.dump();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool written = (fuzz::folder().put("vocab.json", vocabulary()), true);
  fuzz::require(written);
  std::string_view text = fuzz::text_of(data, size);
  const auto line = [&] {
    const std::string_view taken = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(taken.size() + 1, text.size()));
    return taken;
  };
  fuzz::folder().put("tokenizer_config.json", line());
  fuzz::folder().put("added_tokens.json", line());
  fuzz::folder().put("merges.txt", text);
  fuzz::accepts([] {
    const auto tokenizer = load_tokenizer(fuzz::folder().path());
    const std::string long_word(300, 'a');
    for (const std::string& sample : {std::string("abab the  they're <|endoftext|> \xE4\xB8\xAD\xFF x"), long_word + "b" + long_word}) {
      const auto ids = tokenizer->encode_plain(sample);
      tokenizer->decode(ids, true);
      fuzz::accepts([&] { tokenizer->encode(sample, "unaffable", 8); });
    }
  });
  return 0;
}
