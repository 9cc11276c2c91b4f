// Whole numbers of any length in decimal figures, as far as reading spoken numbers needs them.
#pragma once

#include <optional>
#include <string>

namespace thaw {

std::u32string decimal(int number);  // 0 and more
std::u32string power_of_ten(int zeros);
bool is_number(const std::u32string& text);                            // \d+(\.\d+)?
bool ends_with_zeros(const std::u32string& whole, std::size_t count);  // whether the number is a multiple of 10^count

std::u32string add(const std::u32string& a, const std::u32string& b);

// What stands above the last three figures, and those three times 10^zeros: 2,005 and 2 zeros → 2,500.
std::u32string multiply_last_thousand(const std::u32string& whole, int zeros);

// Figures with or without a point (also ".5" and "5.", in any script) times 10^zeros; nothing where they are no number or
// the product is not whole.
std::optional<std::u32string> times_power_of_ten(const std::u32string& figures, int zeros);

}  // namespace thaw
