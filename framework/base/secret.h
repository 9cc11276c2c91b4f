// Tokens that let somebody in.
#pragma once

#include <string>
#include <string_view>

namespace thaw {

std::string random_token();  // 128 bits from the kernel, as 32 hexadecimal digits

// Takes as long for a wrong text as for the right one of the same length, so that its time tells nothing. Nothing is like "".
bool same_secret(std::string_view found, std::string_view expected);

}  // namespace thaw
