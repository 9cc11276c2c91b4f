#include "framework/base/process.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {

// /proc/PID/stat: the fields after the name's bracket are the state, then 18 others, then the start.
ProcessSeen look_at_process(std::int64_t pid) {
  std::string stat;
  try {
    stat = read_file(fmt::format("/proc/{}/stat", pid));
  } catch (const Error&) {
    return {};
  }
  const std::size_t bracket = stat.rfind(')');
  if (bracket == std::string::npos || bracket + 2 >= stat.size() || stat[bracket + 2] == 'Z' || stat[bracket + 2] == 'X') return {};
  std::size_t at = bracket + 2;
  for (int field = 3; field < 22 && at != std::string::npos; ++field) at = stat.find(' ', at + 1);
  if (at == std::string::npos) return {};
  return {stat[bracket + 2], stat.substr(at + 1, stat.find(' ', at + 1) - at - 1)};
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The parent's number stands right after the state.
std::vector<std::int64_t> children_of(std::int64_t pid) {
  std::vector<std::int64_t> children;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    try {
      const std::string stat = read_file(entry->path() / "stat");
      const std::size_t bracket = stat.rfind(')');
      if (bracket != std::string::npos && std::strtoll(stat.c_str() + std::min(bracket + 3, stat.size()), nullptr, 10) == pid)
        children.push_back(std::strtoll(name.c_str(), nullptr, 10));
    } catch (const Error&) {  // gone meanwhile
    }
  }
  return children;
}

}  // namespace thaw
