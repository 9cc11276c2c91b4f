#include "framework/tasks/text/characters.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <cstdint>

namespace thaw {
namespace {

// The code point at `at`, which moves past it.
char32_t next(std::string_view text, std::size_t& at) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  UChar32 c;
  U8_NEXT_OR_FFFD(bytes, at, text.size(), c);
  return static_cast<char32_t>(c);
}

UChar32 point(char32_t c) { return static_cast<UChar32>(c); }

}  // namespace

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return u_isUWhiteSpace(point(c));
}

bool is_word(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  return (U_GET_GC_MASK(point(c)) & U_GC_L_MASK) || u_getIntPropertyValue(point(c), UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }

bool is_decimal(char32_t c) { return c < 0x80 ? is_digit(c) : u_charType(point(c)) == U_DECIMAL_DIGIT_NUMBER; }

int decimal_value(char32_t c) { return is_decimal(c) ? u_charDigitValue(point(c)) : -1; }

std::u32string code_points(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) out.push_back(next(text, at));
  return out;
}

std::string utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    std::uint8_t bytes[U8_MAX_LENGTH];
    std::size_t size = 0;
    U8_APPEND_UNSAFE(bytes, size, point(c));
    out.append(reinterpret_cast<const char*>(bytes), size);
  }
  return out;
}

std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    next(text, at);
    out.push_back(text.substr(begin, at - begin));
  }
  return out;
}

std::string_view without_outer_space(std::string_view text) {
  std::size_t first = text.size(), last = text.size();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    if (is_space(next(text, at))) continue;
    if (first == text.size()) first = begin;
    last = at;
  }
  return text.substr(first, last - first);
}

std::size_t display_columns(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next(text, at);
    if (c >= 0x20 && c < 0x7F) {
      ++columns;
      continue;
    }
    if (U_GET_GC_MASK(point(c)) & (U_GC_MN_MASK | U_GC_ME_MASK | U_GC_CF_MASK)) continue;
    const int width = u_getIntPropertyValue(point(c), UCHAR_EAST_ASIAN_WIDTH);
    columns += width == U_EA_WIDE || width == U_EA_FULLWIDTH ? 2 : 1;
  }
  return columns;
}

}  // namespace thaw
