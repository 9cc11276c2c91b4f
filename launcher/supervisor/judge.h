// What is wrong with the ranks, by what was heard of them and when. Pure: the same World and time give the same findings.
#pragma once

#include <string>
#include <vector>

#include "launcher/supervisor/world.h"

namespace thaw {

struct JudgeTimes {
  double reconnect_s = 3;       // a connection that ended may come again
  double silent_s = 8;          // without a pulse a rank is stopped, or its host cut off
  double waiting_s = 10;        // ranks that wait so long in one collective are told of, with whom they wait for
  double stall_s = 1800;        // and after so long they are given up (the recipe's comm_timeout)
  double start_s = 120;         // for all ranks to come
  double slow_factor = 1.5;     // own work a step, against the median
  int slow_pulses = 10;         // that it takes to tell
  double slow_least_s = 0.010;  // longer than the median: below it, differences are noise
};

struct Finding {
  enum class Kind { failed, lost, silent, absent, stuck, slow } kind;
  int rank = 0;                    // the one to name first
  std::vector<std::string> hosts;  // of which nothing at all is heard any more
  std::string message;
  bool fatal = false;  // the attempt is over
};

const char* name_of(Finding::Kind kind);
std::vector<Finding> judge(const World& world, double now_s, const JudgeTimes& times);

}  // namespace thaw
