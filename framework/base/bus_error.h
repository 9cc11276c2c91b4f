// A mapped file that somebody truncates while it is read, or whose disk fails, ends a process by SIGBUS without a word.
#pragma once

namespace thaw {

// From now on such an end names the file on standard error, and its exit code is 74. Called once, by `main`.
void explain_bus_errors();

}  // namespace thaw
