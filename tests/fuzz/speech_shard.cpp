// A shard of speech's HDF5 file whose checksums fit, as those of a file that was made to harm do: what is in it must be refused by itself.
#include "tests/fuzz/shards.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::SmallShards small = fuzz::small_speech_shards();
  fuzz::read_as_shard(small, fuzz::text_of(data, size));
  return 0;
}
