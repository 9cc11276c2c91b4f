#include "launcher/supervisor/events.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>

#include "framework/base/text.h"

namespace thaw {

void Events::tell(const std::string& kind, const std::string& message, int rank) {
  fmt::print(stderr, "launch     {}\n", printable(message));
  std::fflush(stderr);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  Json event{{"at", std::chrono::duration<double>(now).count()}, {"kind", kind}, {"message", message}};
  if (rank >= 0) event["rank"] = rank;
  // A full disk must not end the supervision: the terminal has it.
  std::ofstream(file_, std::ios::app) << event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace thaw
