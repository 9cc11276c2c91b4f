// A shard of speech's HDF5 file whose checksums fit, as those of a file that was made to harm do: what is in it must be refused by itself.
#include "tests/fuzz/shards.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::SmallShards small = fuzz::small_speech_shards();
  const std::string_view bytes = fuzz::text_of(data, size);
  ShardIndex index = small.index;
  index.shards[0].bytes = size;
  index.shards[0].xxh3 = block_checksums(bytes);
  fuzz::folder().put("index.json", index.to_text());
  fuzz::folder().put(index.shards[0].file, bytes);
  fuzz::read_all(fuzz::folder().path());
  return 0;
}
