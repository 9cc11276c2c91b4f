// What comes after an attempt: the end, or another one. Pure.
#pragma once

#include <string>
#include <vector>

#include "launcher/supervisor/hosts.h"

namespace thaw {

struct AttemptEnd {
  int exit_code = 0;            // mpirun's, or that of the rank whose failure ended it
  bool all_ended_well = false;  // every rank that came said so: 0, or 75
  bool reached_a_step = false;
  std::string cause;       // of a failure: who, and how
  std::vector<Host> left;  // hosts that still answer
};

struct Restarts {
  int max = 3, min_ranks = 1;
  int done = 0;
  int without_a_step = 0;  // attempts in a row that ended before their first step
};

struct Decision {
  bool again = false;
  int exit_code = 0;   // where it is the end
  std::string reason;  // in words
};

// `asked_to_stop`: the user has; then nothing starts again.
Decision decide(const AttemptEnd& end, const Restarts& restarts, bool asked_to_stop);

}  // namespace thaw
