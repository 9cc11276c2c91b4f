// index.json beside a whole shard.
#include "tests/fuzz/shards.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool written = [] {
    const fuzz::SmallShards small = fuzz::small_shards();
    fuzz::folder().put(small.index.shards[0].file, small.shard);
    return true;
  }();
  fuzz::require(written);
  fuzz::folder().put("index.json", fuzz::text_of(data, size));
  fuzz::accepts([] { ShardIndex::read(fuzz::folder().path()).incomplete(fuzz::folder().path()); });
  fuzz::read_all(fuzz::folder().path());
  return 0;
}
