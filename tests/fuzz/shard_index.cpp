// index.json, with the checksum that fits it, beside a whole shard of text and one of speech.
#include "tests/fuzz/shards.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool written = [] {
    for (const fuzz::SmallShards& small : {fuzz::small_shards(), fuzz::small_speech_shards()})
      fuzz::folder().put(small.index.shards[0].file, small.shard);
    return true;
  }();
  fuzz::require(written);
  std::string text(fuzz::text_of(data, size));
  if (Json index = Json::parse(text, nullptr, /*allow_exceptions=*/false); index.is_object()) {
    index["xxh3"] = checksum_of(index);
    text = index.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  fuzz::folder().put("index.json", text);
  fuzz::accepts([] { ShardIndex::read(fuzz::folder().path()).incomplete(fuzz::folder().path()); });
  fuzz::read_all(fuzz::folder().path());
  return 0;
}
