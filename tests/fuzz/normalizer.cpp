// normalizer.json in a first line; then texts, a line each, that Whisper's normalisers take.
#include "framework/tasks/text/text_normalizer.h"

#include "framework/base/text.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size), table = text.substr(0, text.find('\n'));
  fuzz::folder().put("normalizer.json", table);
  fuzz::accepts([&] {
    const EnglishTextNormalizer english(read_spelling(fuzz::folder().path()));
    for (const std::string& line : split(text.substr(std::min(table.size() + 1, text.size())), '\n')) {
      english(line);
      for (const bool either : {false, true}) BasicTextNormalizer(either, !either)(line);
    }
  });
  return 0;
}
