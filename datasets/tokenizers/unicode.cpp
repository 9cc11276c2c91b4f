#include "datasets/tokenizers/unicode.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"

namespace thaw::unicode {
namespace {

constexpr int categories_version = 8;     // the crate unicode_categories
constexpr int normalization_version = 9;  // the crate unicode-normalization-alignments

struct Range {
  char32_t first, last;
};

// Word characters of Unicode 15.1 to 17, which ICU 72 does not know yet (a newer ICU just agrees).
constexpr Range new_word_characters[] = {{0x897, 0x897},     {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3},
                                         {0x10D40, 0x10D65}, {0x10D69, 0x10D6D}, {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC},
                                         {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0},
                                         {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D3}, {0x113E1, 0x113E2},
                                         {0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11F5A, 0x11F5A}, {0x13460, 0x143FA},
                                         {0x16100, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79}, {0x18CFF, 0x18CFF}, {0x1CCF0, 0x1CCF9},
                                         {0x1E5D0, 0x1E5FA}, {0x2EBF0, 0x2EE5D}};

bool is_word(char32_t c, std::uint32_t category) {
  if (category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) return true;
  const auto point = static_cast<UChar32>(c);
  if (u_hasBinaryProperty(point, UCHAR_ALPHABETIC) || u_hasBinaryProperty(point, UCHAR_JOIN_CONTROL)) return true;
  return std::any_of(std::begin(new_word_characters), std::end(new_word_characters), [&](Range r) { return c >= r.first && c <= r.last; });
}

// The normaliser of one form that leaves alone what came after `normalization_version`.
const icu::Normalizer2& normalizer(Form form) {
  static const auto all = [] {
    UErrorCode status = U_ZERO_ERROR;
    static icu::UnicodeSet known(u"[:age=9.0:]", status);
    known.freeze();
    const icu::Normalizer2* whole[] = {icu::Normalizer2::getNFCInstance(status), icu::Normalizer2::getNFDInstance(status),
                                       icu::Normalizer2::getNFKCInstance(status), icu::Normalizer2::getNFKDInstance(status)};
    if (U_FAILURE(status)) throw FileError("ICU's normalization data cannot be read ({}): reinstall libicu", u_errorName(status));
    std::vector<std::unique_ptr<icu::Normalizer2>> filtered;
    for (const auto* one : whole) filtered.push_back(std::make_unique<icu::FilteredNormalizer2>(*one, known));
    return filtered;
  }();
  return *all[static_cast<std::size_t>(form)];
}

// Upper-case letters of Unicode 16 and 17, which ICU 72 does not know yet.
UChar32 lower_new(UChar32 c) {
  switch (c) {
    case 0x1C89: return 0x1C8A;
    case 0xA7CB: return 0x264;
    case 0xA7DC: return 0x19B;
    case 0xA7CC:
    case 0xA7CE:
    case 0xA7D2:
    case 0xA7D4:
    case 0xA7DA: return c + 1;
    default: break;
  }
  if (c >= 0x10D50 && c <= 0x10D65) return c + 0x20;
  if (c >= 0x16EA0 && c <= 0x16EB8) return c + 0x1B;
  return c;
}

// The form's decomposition, each run of marks in the order of their combining classes. ICU inserts a mark where it belongs by
// walking back over those before it, which takes quadratic time in the length of a run; so the runs are sorted here.
std::u32string decompose_all(std::string_view text, Form form) {
  const icu::Normalizer2& by_form = normalizer(form);
  std::u32string out;
  std::vector<std::pair<std::uint8_t, char32_t>> marks;
  const auto flush = [&] {
    if (marks.empty()) return;
    std::stable_sort(marks.begin(), marks.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [order, mark] : marks) out.push_back(mark);
    marks.clear();
  };
  const auto add = [&](UChar32 c) {
    if (const std::uint8_t order = by_form.getCombiningClass(c); order != 0) {
      marks.emplace_back(order, static_cast<char32_t>(c));
    } else {
      flush();
      out.push_back(static_cast<char32_t>(c));
    }
  };
  icu::UnicodeString parts;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<UChar32>(next_code_point(text, i));
    if (c < 0x80 || !by_form.getDecomposition(c, parts)) add(c);
    else
      for (int at = 0; at < parts.length(); at = parts.moveIndex32(at, 1)) add(parts.char32At(at));
  }
  flush();
  return out;
}

}  // namespace

std::uint8_t compute_flags(char32_t c) {
  const auto point = static_cast<UChar32>(c);
  const std::uint32_t category = U_GET_GC_MASK(point);
  UVersionInfo version;
  u_charAge(point, version);
  const int age = version[0];
  const std::uint32_t old = age > 0 && age <= categories_version ? category : 0;
  const bool white_control = c == '\t' || c == '\n' || c == '\r';
  unsigned flags = 0;
  if (c == 0xFFFD || (!white_control && (old & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)))) flags |= control;
  if (u_hasBinaryProperty(point, UCHAR_WHITE_SPACE)) flags |= white_space;
  const bool ascii_symbol = c == '$' || c == '+' || c == '<' || c == '=' || c == '>' || c == '^' || c == '`' || c == '|' || c == '~';
  if (ascii_symbol || (old & U_GC_P_MASK) || c == 0x166D || c == 0x111C9) flags |= punctuation;  // the two have changed category since
  const bool lost_mark = c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9;              // Mn now, not then; U+1734 the reverse
  if (((old & U_GC_MN_MASK) && !lost_mark) || c == 0x1734) flags |= nonspacing_mark;
  if (age > 0 && age <= normalization_version) {
    if (((category & U_GC_M_MASK) && c != 0x111C9) || c == 0x1CF2 || c == 0x1CF3) flags |= combining_mark;
    icu::UnicodeString ignored;
    if (normalizer(Form::nfd).getDecomposition(point, ignored)) flags |= decomposes;
    if (u_getCombiningClass(point) != 0) flags |= reorders;
  }
  if (is_word(c, category)) flags |= word;
  return static_cast<std::uint8_t>(flags);
}

const std::uint8_t* basic_plane_flags() {
  static const auto table = [] {
    auto flags = std::make_unique<std::array<std::uint8_t, 0x10000>>();
    for (char32_t c = 0; c < 0x10000; ++c) (*flags)[c] = compute_flags(c);
    return flags;
  }();
  return table->data();
}

void append_lower(std::string& out, char32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c));
  } else if (c == 0x130) {  // the one letter whose lower case is two
    out += "i\xCC\x87";
  } else {
    const UChar32 lower = u_tolower(static_cast<UChar32>(c));
    append_utf8(out, static_cast<char32_t>(lower == static_cast<UChar32>(c) ? lower_new(lower) : lower));
  }
}

std::u32string decompose(char32_t c) {
  icu::UnicodeString parts;
  if (!normalizer(Form::nfd).getDecomposition(static_cast<UChar32>(c), parts)) return std::u32string(1, c);
  std::u32string out;
  for (int i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) out.push_back(static_cast<char32_t>(parts.char32At(i)));
  return out;
}

std::string normalize(std::string_view text, Form form) {
  if (is_ascii(text)) return std::string(text);
  const std::u32string decomposed = decompose_all(text, form);
  std::string out;
  if (form == Form::nfd || form == Form::nfkd) {
    for (const char32_t c : decomposed) append_utf8(out, c);
    return out;
  }
  UErrorCode status = U_ZERO_ERROR;
  const auto source =
      icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(decomposed.data()), static_cast<std::int32_t>(decomposed.size()));
  normalizer(form).normalize(source, status).toUTF8String(out);
  if (U_FAILURE(status)) throw DataError("a text of {} bytes cannot be normalised: {}", text.size(), u_errorName(status));
  return out;
}

}  // namespace thaw::unicode
