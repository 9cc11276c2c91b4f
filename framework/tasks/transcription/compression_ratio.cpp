#include "framework/tasks/transcription/compression_ratio.h"

#include <zlib.h>

#include <vector>

#include "framework/base/error.h"

namespace thaw {

double compression_ratio(const std::string& text) {
  uLongf bytes = compressBound(static_cast<uLong>(text.size()));
  std::vector<Bytef> packed(bytes);
  const int result =
      compress2(packed.data(), &bytes, reinterpret_cast<const Bytef*>(text.data()), static_cast<uLong>(text.size()), Z_DEFAULT_COMPRESSION);
  if (result != Z_OK) throw Error(ExitCode::bug, fmt::format("zlib could not compress {} bytes of text: error {}", text.size(), result));
  return static_cast<double>(text.size()) / static_cast<double>(bytes);
}

}  // namespace thaw
