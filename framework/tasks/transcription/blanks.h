// Blanks of Unicode at the ends of texts, as Python's str.strip() and str.isspace() know them.
#pragma once

#include <string>
#include <string_view>

namespace thaw {

std::string strip_blanks(std::string_view text);      // valid UTF-8 in and out
std::size_t leading_blanks(std::string_view text);    // their bytes
std::size_t count_characters(std::string_view text);  // code points of valid UTF-8: Python's len()

}  // namespace thaw
