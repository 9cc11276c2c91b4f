// What every reader of this folder advises where a file breaks its format's rules.
#pragma once

namespace thaw {

inline constexpr const char* download_again = "the file is damaged: download it again";

}  // namespace thaw
