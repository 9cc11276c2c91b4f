#include "framework/base/temporaries.h"

#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace thaw {

namespace fs = std::filesystem;

void remove_temporaries(const fs::path& directory) {
  constexpr std::string_view mark = ".tmp-", digits = "0123456789abcdef";
  constexpr std::size_t number = 16;
  std::error_code error, ignored;
  std::vector<fs::path> left;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const std::size_t at = name.rfind(mark);
    if (at != std::string::npos && name.size() - at == mark.size() + number &&
        name.find_first_not_of(digits, at + mark.size()) == std::string::npos && entry->is_regular_file(ignored))
      left.push_back(entry->path());
  }
  for (const fs::path& path : left) fs::remove(path, ignored);
}

}  // namespace thaw
