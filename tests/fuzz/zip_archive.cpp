// A zip archive's directory: every member that it names lies in the file.
#include "framework/tensor/zip_archive.h"

#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accepts([&] {
    for (const auto& [name, member] : read_zip_directory(fuzz::text_of(data, size), "fuzz.zip"))
      fuzz::require(member.begin <= size && member.size <= size - member.begin);
  });
  return 0;
}
