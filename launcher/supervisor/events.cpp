#include "launcher/supervisor/events.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>

#include "framework/base/clock.h"
#include "framework/base/text.h"

namespace thaw {

void Events::tell(const std::string& kind, const std::string& message, int rank) {
  fmt::print(stderr, "launch     {}\n", printable(message));
  std::fflush(stderr);
  Json event{{"at", unix_now()}, {"kind", kind}, {"message", message}};
  if (rank >= 0) event["rank"] = rank;
  // A full disk must not end the supervision: the terminal has it.
  std::ofstream(file_, std::ios::app) << event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace thaw
