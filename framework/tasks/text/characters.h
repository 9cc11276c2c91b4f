// Characters of UTF-8 text as Python's str and re see them, whose rules the transcripts' reference implementations share.
// Bytes that are not UTF-8 count as U+FFFD.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace thaw {

bool is_space(char32_t c);      // str.isspace and \s: White_Space, and the separators U+001C to U+001F
bool is_word(char32_t c);       // \w: letters, whatever has a numeric value, and "_"
bool is_decimal(char32_t c);    // \d: the category Nd
bool is_digit(char32_t c);      // [0-9]
int decimal_value(char32_t c);  // of a decimal; −1 for others

std::u32string code_points(std::string_view text);
std::string utf8(std::u32string_view text);

// The text's characters, one code point each, as parts of `text`.
std::vector<std::string_view> characters_of(std::string_view text);

std::string_view without_outer_space(std::string_view text);  // as str.strip()

// Columns of a terminal: two for wide East Asian characters, none for marks that combine.
std::size_t display_columns(std::string_view text);

}  // namespace thaw
