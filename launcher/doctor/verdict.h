// What an examination's numbers mean: findings with their remedies. Nothing is measured here.
#pragma once

#include <string>
#include <vector>

#include "framework/base/json.h"

namespace thaw::doctor {

enum class Level { advice, warning, stops };  // stops: a run would end, or not begin

struct Finding {
  Level level = Level::warning;
  std::string subject;  // "host doc3", "rank 5", "file system of /scratch"
  std::string what, remedy;
};

// `report` as `thaw doctor --json` prints it. The gravest first.
std::vector<Finding> judge(const Json& report);
std::string name_of(Level level);
Json json_of(const std::vector<Finding>& findings);

// "12.3 MB/s", "68 µs"
std::string speed_text(double bytes_per_s);
std::string time_text(double seconds);

}  // namespace thaw::doctor
