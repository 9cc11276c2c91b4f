// The name that somebody may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace thaw {

std::size_t edit_distance(std::string_view a, std::string_view b);  // Levenshtein's, in bytes
std::string nearest_of(const std::vector<std::string>& names, std::string_view word);  // empty where there are no names

}  // namespace thaw
