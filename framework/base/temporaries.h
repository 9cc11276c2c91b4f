// What killed processes leave behind.
#pragma once

#include <filesystem>
#include <functional>

namespace thaw {

// Removes the files of a directory that are `left` behind, as far as they can be removed; the directory need not be there.
void remove_files(const std::filesystem::path& directory, const std::function<bool(const std::filesystem::directory_entry&)>& left);

// The other names under which files are written whole (see file.h): NAME.tmp- and 16 hexadecimal digits. Removes them from a directory in which nobody else writes, such as one whose lease is ours.
void remove_temporaries(const std::filesystem::path& directory);

}  // namespace thaw
