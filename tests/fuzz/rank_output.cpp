// What ranks and mpirun print: any bytes are lines of somebody, and none of them is lost.
#include "launcher/supervisor/output.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  std::size_t kept = 0;
  for (const OutputLine& line : untag(text)) kept += line.text.size();
  fuzz::require(kept <= size && (text.find('[') != std::string::npos || kept == size));
  return 0;
}
