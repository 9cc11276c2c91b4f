#include "framework/tasks/text/text_steps.h"

#include <unicode/brkiter.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "framework/base/error.h"
#include "framework/tasks/text/characters.h"

namespace thaw::steps {
namespace {

icu::UnicodeString utf16(const std::u32string& text) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()), static_cast<int>(text.size()));
}

std::u32string utf32(const icu::UnicodeString& text) {
  std::u32string out;
  for (int at = 0; at < text.length(); at = text.moveIndex32(at, 1)) out.push_back(static_cast<char32_t>(text.char32At(at)));
  return out;
}

void check(UErrorCode status, const char* what) {
  if (U_FAILURE(status)) throw FileError("ICU's {} cannot be read ({}): reinstall libicu", what, u_errorName(status));
}

std::u32string normalize(const std::u32string& text, const icu::Normalizer2* (*form)(UErrorCode&)) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = form(status);
  check(status, "normalization data");
  const icu::UnicodeString normal = normalizer->normalize(utf16(text), status);
  check(status, "normalization data");
  return utf32(normal);
}

std::uint32_t category(char32_t c) { return U_GET_GC_MASK(static_cast<UChar32>(c)); }
bool is_symbol(std::uint32_t category) { return (category & (U_GC_M_MASK | U_GC_S_MASK | U_GC_P_MASK)) != 0; }

std::u32string_view plain_letters(char32_t c) {
  switch (c) {
    case U'œ': return U"oe";
    case U'Œ': return U"OE";
    case U'ø': return U"o";
    case U'Ø': return U"O";
    case U'æ': return U"ae";
    case U'Æ': return U"AE";
    case U'ß': return U"ss";
    case U'ẞ': return U"SS";
    case U'đ':
    case U'ð': return U"d";
    case U'Đ':
    case U'Ð': return U"D";
    case U'þ':
    case U'Þ': return U"th";
    case U'ł': return U"l";
    case U'Ł': return U"L";
    default: return {};
  }
}

// From an opening bracket to the next closing one, with at least `inside` characters between.
std::u32string remove_between(const std::u32string& text, std::u32string_view open, std::u32string_view close, std::size_t inside) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (open.find(text[i]) != open.npos) {
      const std::size_t end = text.find_first_of(close, i + 1);
      if (end == text.npos) return out.append(text, i);  // and none further on either
      if (end - i - 1 >= inside) {
        i = end;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

}  // namespace

std::u32string lower(const std::u32string& text) {
  icu::UnicodeString whole = utf16(text);
  return utf32(whole.toLower(icu::Locale::getRoot()));
}

std::u32string remove_bracketed(const std::u32string& text) { return remove_between(remove_between(text, U"<[", U">]", 0), U"(", U")", 1); }

std::u32string remove_symbols(const std::u32string& text) {
  std::u32string out = normalize(text, icu::Normalizer2::getNFKCInstance);
  for (char32_t& c : out) c = is_symbol(category(c)) ? U' ' : c;
  return out;
}

std::u32string remove_symbols_and_diacritics(const std::u32string& text, std::u32string_view keep) {
  std::u32string out;
  for (const char32_t c : normalize(text, icu::Normalizer2::getNFKDInstance)) {
    const std::uint32_t of_c = category(c);
    if (keep.find(c) != keep.npos) out.push_back(c);
    else if (const auto letters = plain_letters(c); !letters.empty()) out.append(letters);
    else if (!(of_c & U_GC_MN_MASK)) out.push_back(is_symbol(of_c) ? U' ' : c);
  }
  return out;
}

std::u32string collapse_space(const std::u32string& text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_space(text[i])) out.push_back(text[i]);
    else if (i == 0 || !is_space(text[i - 1])) out.push_back(U' ');
  }
  return out;
}

std::vector<std::u32string> split(const std::u32string& text) {
  std::vector<std::u32string> words;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    while (i < text.size() && !is_space(text[i])) ++i;
    if (i > begin) words.push_back(text.substr(begin, i - begin));
    else ++i;
  }
  return words;
}

std::u32string join(const std::vector<std::u32string>& words) {
  std::u32string out;
  for (std::size_t i = 0; i < words.size(); ++i) out.append(i == 0 ? U"" : U" ").append(words[i]);
  return out;
}

std::u32string split_letters(const std::u32string& text) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> letters(icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  check(status, "rules of grapheme clusters");
  const icu::UnicodeString whole = utf16(text);
  letters->setText(whole);
  std::vector<std::u32string> found;
  for (int begin = letters->first(), end = letters->next(); end != icu::BreakIterator::DONE; begin = end, end = letters->next())
    found.push_back(utf32(whole.tempSubStringBetween(begin, end)));
  return join(found);
}

bool is_boundary(const std::u32string& text, std::size_t at) {
  return (at > 0 && is_word(text[at - 1])) != (at < text.size() && is_word(text[at]));
}

void replace(std::u32string& text, std::u32string_view literal, bool from_boundary, std::u32string_view with) {
  std::size_t found = text.find(literal);
  if (found == text.npos) return;
  std::u32string out;
  std::size_t copied = 0;
  for (; found != text.npos; found = text.find(literal, found)) {
    const std::size_t end = found + literal.size();
    if ((from_boundary && !is_boundary(text, found)) || !is_boundary(text, end)) {
      ++found;
      continue;
    }
    out.append(text, copied, found - copied).append(with);
    found = copied = end;
  }
  text = out.append(text, copied);
}

}  // namespace thaw::steps
