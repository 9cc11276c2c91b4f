#include "launcher/slurm/time_limit.h"

#include <charconv>
#include <vector>

#include "framework/base/text.h"

namespace thaw {

std::optional<std::int64_t> time_limit_s(const std::string& text) {
  constexpr std::int64_t minute = 60, hour = 3600, day = 86400;
  const std::size_t dash = text.find('-');
  std::vector<std::string> fields = split(dash == std::string::npos ? text : text.substr(dash + 1), ':');
  std::vector<std::int64_t> units;
  if (dash != std::string::npos) {
    fields.insert(fields.begin(), text.substr(0, dash));
    units = {day, hour, minute, 1};
  } else if (fields.size() == 3) {
    units = {hour, minute, 1};
  } else {
    units = {minute, 1};
  }
  if (fields.size() > units.size()) return std::nullopt;
  std::int64_t seconds = 0;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    std::int64_t value = 0;
    const char* const end = fields[i].data() + fields[i].size();
    const auto [stopped, error] = std::from_chars(fields[i].data(), end, value);
    if (error != std::errc{} || stopped != end || value < 0) return std::nullopt;
    seconds += value * units[i];
  }
  return seconds;
}

}  // namespace thaw
