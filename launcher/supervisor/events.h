// What happened to a launch, told once: on standard error, in RUN/launch/events.jsonl, and to the page.
#pragma once

#include <deque>
#include <filesystem>
#include <string>

#include "framework/base/json.h"

namespace thaw {

class Events {
 public:
  explicit Events(std::filesystem::path file) : file_(std::move(file)) {}
  // kind: started, lost, silent, stuck, slow, failed, absent, restart, stop, refused, ended. rank: −1 for none.
  void tell(const std::string& kind, const std::string& message, int rank = -1);

 private:
  std::filesystem::path file_;
};

}  // namespace thaw
