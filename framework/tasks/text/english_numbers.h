// Numbers in English words, in figures: "twenty five hundred dollars" → "$2500", "one oh one" → "101", "nineteen sixties" → "1960s".
// As the number normaliser within Whisper's (text_normalizer.h) does it, with all its habits.
#pragma once

#include <string>

namespace thaw {

// text: lower case, words between white space.
std::u32string normalize_english_numbers(const std::u32string& text);

}  // namespace thaw
