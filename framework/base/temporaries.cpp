#include "framework/base/temporaries.h"

#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace thaw {

namespace fs = std::filesystem;

void remove_files(const fs::path& directory, const std::function<bool(const fs::directory_entry&)>& left) {
  std::error_code error, ignored;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    if (left(*entry)) found.push_back(entry->path());
  for (const fs::path& path : found) fs::remove(path, ignored);
}

void remove_temporaries(const fs::path& directory) {
  constexpr std::string_view mark = ".tmp-", digits = "0123456789abcdef";
  constexpr std::size_t number = 16;
  remove_files(directory, [&](const fs::directory_entry& entry) {
    std::error_code ignored;
    const std::string name = entry.path().filename().string();
    const std::size_t at = name.rfind(mark);
    return at != std::string::npos && name.size() - at == mark.size() + number &&
           name.find_first_not_of(digits, at + mark.size()) == std::string::npos && entry.is_regular_file(ignored);
  });
}

}  // namespace thaw
