// Other processes of this machine, as /proc tells of them, and what this one was started with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace thaw {

struct ProcessSeen {
  char state = 0;     // 'R', 'S', 'D', 'T' (stopped), …; 0 where it is gone, or a zombie that is as good as gone
  std::string start;  // when it began: together with the number names one process
};
ProcessSeen look_at_process(std::int64_t pid);

std::string environment(const char* name);  // this process's variable; empty where it is not set

std::vector<std::int64_t> children_of(std::int64_t pid);

}  // namespace thaw
