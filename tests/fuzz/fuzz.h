// What the fuzz targets share: the contract that every parser is held to, and a folder in memory for those that read files.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "framework/base/error.h"

namespace thaw::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// Whether `parse` took its input. It may refuse it with an error of ours; any other exception ends the target, and is a finding.
template <typename Parse>
bool accepts(const Parse& parse) {
  try {
    parse();
    return true;
  } catch (const Error& error) {
    static const bool say = std::getenv("THAW_FUZZ_SAY") != nullptr;  // to see what becomes of one input
    if (say) fmt::print("refused: {}\n", error.what());
    return false;
  }
}

// What a parser promises of input that it accepts.
inline void require(bool promise) {
  if (!promise) __builtin_trap();
}

// This process's own, removed at its end. Each input is written before it is read: let TMPDIR be in memory.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("thaw-fuzz-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { clear(path_); }
  const std::filesystem::path& path() const { return path_; }

  std::filesystem::path put(const std::filesystem::path& name, std::string_view content) const {
    const std::filesystem::path path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  static void clear(const std::filesystem::path& path) {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }

 private:
  std::filesystem::path path_;
};

inline const Folder& folder() {
  static const Folder kept;
  return kept;
}

}  // namespace thaw::fuzz
