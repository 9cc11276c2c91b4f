// The other names under which files are written whole (see file.h): NAME.tmp- and 16 hexadecimal digits. A killed writer leaves them.
#pragma once

#include <filesystem>

namespace thaw {

// Removes them from a directory in which nobody else writes, such as one whose lease is ours; it need not be there.
void remove_temporaries(const std::filesystem::path& directory);

}  // namespace thaw
