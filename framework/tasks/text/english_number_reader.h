// Reads numbers in a sequence of words: the heart of english_numbers.h.
#pragma once

#include <string>
#include <vector>

namespace thaw {

// The words with their numbers in figures, each with its sign or currency before and its suffix behind: {"minus", "twenty",
// "five", "dollars"} → {"$25"}. No word is empty.
std::vector<std::u32string> read_english_numbers(const std::vector<std::u32string>& words);

}  // namespace thaw
