// How much a text repeats itself.
#pragma once

#include <string>

namespace thaw {

// Its bytes divided by those that zlib makes of it (level 6), as openai-whisper's utils.py has it: above about 2.4 it loops.
double compression_ratio(const std::string& text);

}  // namespace thaw
