// The lease file of whoever owned a directory before: it is succeeded, or its owner is named.
#include "framework/base/lease.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "framework/base/json.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const std::filesystem::path directory = fuzz::folder().path() / "owned", path = fuzz::folder().put("owned/lease/00000001.json", text);
  fuzz::accepts([&] { Lease::check(directory, "1 " + std::string(text.substr(0, text.size() / 2))); });
  // A file that is no JSON may be one that is still being written: that is waited for, unless it is old.
  if (!Json::accept(text)) {
    const timespec long_ago[2] = {{0, 0}, {0, 0}};
    ::utimensat(AT_FDCWD, path.c_str(), long_ago, 0);
  }
  fuzz::accepts([&] { Lease(directory).discard(); });
  fuzz::Folder::clear(directory / "lease");
  return 0;
}
