#include "framework/tasks/transcription/blanks.h"

#include <algorithm>
#include <array>

namespace thaw {
namespace {

using namespace std::string_view_literals;

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

bool is_blank(std::string_view character) {
  if (character.size() == 1) {
    const char c = character[0];
    return (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= ' ');
  }
  // U+0085, 00A0, 1680, 2000 to 200A, 2028, 2029, 202F, 205F, 3000
  static constexpr std::array wide = {"\xC2\x85"sv,     "\xC2\xA0"sv,     "\xE1\x9A\x80"sv, "\xE2\x80\xA8"sv,
                                      "\xE2\x80\xA9"sv, "\xE2\x80\xAF"sv, "\xE2\x81\x9F"sv, "\xE3\x80\x80"sv};
  if (character.size() == 3 && character.starts_with("\xE2\x80"sv) && character[2] <= '\x8A') return true;
  return std::find(wide.begin(), wide.end(), character) != wide.end();
}

std::size_t trailing_blanks(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    std::size_t start = end - 1;
    while (start > 0 && continues(text[start])) --start;
    if (!is_blank(text.substr(start, end - start))) break;
    end = start;
  }
  return text.size() - end;
}

}  // namespace

std::size_t leading_blanks(std::string_view text) {
  std::size_t start = 0;
  while (start < text.size()) {
    std::size_t end = start + 1;
    while (end < text.size() && continues(text[end])) ++end;
    if (!is_blank(text.substr(start, end - start))) break;
    start = end;
  }
  return start;
}

std::string strip_blanks(std::string_view text) {
  text.remove_prefix(leading_blanks(text));
  text.remove_suffix(trailing_blanks(text));
  return std::string(text);
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) { return !continues(byte); }));
}

}  // namespace thaw
