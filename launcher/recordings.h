// Recordings that a person names on the command line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace thaw {

// Files as they are named; of folders all recordings below them, by name. FileError (66) for what is not there.
std::vector<std::filesystem::path> recordings_of(const std::vector<std::string>& names);

}  // namespace thaw
