// The alignment of two sequences with the fewest substitutions, deletions and insertions (Levenshtein, 1966). Of several it takes the
// one that rapidfuzz takes, and so jiwer, so that the three counts agree and not their sum alone.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace thaw {

enum class Edit : std::uint8_t { hit, substitution, deletion, insertion };

// From the first item to the last; a deletion takes an item of the reference alone, an insertion one of the hypothesis alone.
// Time is the product of the lengths; memory that too, up to 4 MiB, and then the sum of the lengths.
std::vector<Edit> align_edits(const std::vector<std::string_view>& reference, const std::vector<std::string_view>& hypothesis);

}  // namespace thaw
