// The members of a zip archive that are stored as they are, as PyTorch stores all of its own: where in the file each lies. Nothing is
// unpacked, and no member's bytes are read. Format: PKWARE's APPNOTE 6.3, with ZIP64.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace thaw {

struct ZipMember {
  std::size_t begin = 0, size = 0;
};

// By name. `where` begins the errors (ModelError): a damaged directory, members that are compressed or encrypted, or there twice.
std::map<std::string, ZipMember> read_zip_directory(std::string_view archive, const std::string& where);

}  // namespace thaw
