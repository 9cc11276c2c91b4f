#include "framework/base/bus_error.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "framework/base/error.h"

namespace thaw {
namespace {

// Inside a signal handler nothing may allocate or lock: plain system calls and memory that is there already.
void say(const char* text) {
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

// A line of /proc/self/maps: "begin-end perms offset device inode   path". Its path, where the address is inside.
const char* path_in(const char* line, std::uintptr_t address) {
  std::uintptr_t ends[2] = {0, 0};
  for (int i = 0; i < 2; ++i, ++line)
    for (; *line != '\0' && *line != '-' && *line != ' '; ++line)
      ends[i] = ends[i] * 16 + static_cast<std::uintptr_t>(*line <= '9' ? *line - '0' : *line - 'a' + 10);
  return address >= ends[0] && address < ends[1] ? std::strchr(line, '/') : nullptr;
}

void name_the_file(std::uintptr_t address) {
  static char buffer[4096], line[4608];
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  std::size_t filled = 0;
  for (ssize_t got = 0; maps >= 0 && (got = ::read(maps, buffer, sizeof buffer)) > 0;)
    for (ssize_t i = 0; i < got; ++i) {
      if (buffer[i] != '\n' && filled + 1 < sizeof line) {
        line[filled++] = buffer[i];
        continue;
      }
      line[filled] = '\0';
      filled = 0;
      if (const char* const path = path_in(line, address)) {
        say(path);
        return;
      }
    }
  say("a mapped file");
}

void on_bus_error(int, siginfo_t* info, void*) {
  say("\nthaw: ");
  name_the_file(reinterpret_cast<std::uintptr_t>(info->si_addr));
  say(": shrank while it was being read, or its disk failed; start again when nobody writes to it\n");
  ::_exit(static_cast<int>(ExitCode::io_error));
}

}  // namespace

void explain_bus_errors() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace thaw
