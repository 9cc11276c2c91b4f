// Text as Python's str methods change it, for tokenizers whose reference is written in Python. UTF-8 in and out.
#pragma once

#include <string>
#include <string_view>

namespace thaw {

std::string upper_case(std::string_view text);  // str.upper(): all of Unicode's rules, so "ß" becomes "SS"
std::string lower_case(std::string_view text);  // str.lower(): final sigma too

// str.lstrip() and str.rstrip(): white space is Unicode's, and the separators U+001C to U+001F.
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);

}  // namespace thaw
