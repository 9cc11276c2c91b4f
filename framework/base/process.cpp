#include "framework/base/process.h"

#include <fmt/format.h>

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

}  // namespace thaw
