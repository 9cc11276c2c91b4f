#include "datasets/tokenizers/python_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "datasets/tokenizers/utf8.h"

namespace thaw {
namespace {

icu::UnicodeString utf16(std::string_view text) { return icu::UnicodeString::fromUTF8({text.data(), static_cast<int>(text.size())}); }

bool is_space(char32_t c) { return (c >= 0x1C && c <= 0x1F) || u_isUWhiteSpace(static_cast<UChar32>(c)); }

}  // namespace

std::string upper_case(std::string_view text) {
  std::string out;
  utf16(text).toUpper(icu::Locale::getRoot()).toUTF8String(out);
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out;
  utf16(text).toLower(icu::Locale::getRoot()).toUTF8String(out);
  return out;
}

std::string_view strip_left(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    if (!is_space(next_code_point(text, at))) return text.substr(begin);
  }
  return {};
}

std::string_view strip_right(std::string_view text) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();)
    if (!is_space(next_code_point(text, at))) end = at;
  return text.substr(0, end);
}

}  // namespace thaw
