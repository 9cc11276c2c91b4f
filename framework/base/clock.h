// The clock that durations are measured by, and the time of day.
#pragma once

#include <chrono>

namespace thaw {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Seconds since 1970, for what is told to people and compared between machines.
inline double unix_now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace thaw
