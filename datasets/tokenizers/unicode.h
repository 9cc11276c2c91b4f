// Characters as Hugging Face `tokenizers` 0.23 sees them. It takes its tables from several Rust crates, each of another Unicode
// version; here they are cut from ICU's newer tables by each character's age, with the few that changed since listed one by one.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace thaw::unicode {

enum Flag : std::uint8_t {
  control = 1,  // Cc, Cf, Co of Unicode 8, and U+FFFD; not tab, line feed, carriage return: what clean_text drops
  white_space = 2,
  punctuation = 4,      // ASCII's, and P of Unicode 8
  nonspacing_mark = 8,  // Mn of Unicode 8: what BertNormalizer strips
  combining_mark = 16,  // M of Unicode 9: what StripAccents strips
  word = 32,            // \w of Unicode 17
  decomposes = 64,      // has a canonical decomposition in Unicode 9
  reorders = 128,       // has a combining class in Unicode 9
};

std::uint8_t compute_flags(char32_t c);
const std::uint8_t* basic_plane_flags();  // [0x10000], computed on the first call

inline std::uint8_t flags(char32_t c) {
  static const std::uint8_t* const table = basic_plane_flags();
  return c < 0x10000 ? table[c] : compute_flags(c);
}

// "CJK" as BERT means it: ideographs, without kana and hangul.
constexpr bool is_ideograph(char32_t c) {
  if (c < 0x3400) return false;
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// The lower case of one character, whatever stands beside it (so no final sigma), by Unicode 17.
void append_lower(std::string& out, char32_t c);

// The full canonical decomposition of one character, not reordered.
std::u32string decompose(char32_t c);

enum class Form { nfc, nfd, nfkc, nfkd };
std::string normalize(std::string_view text, Form form);  // by Unicode 9

}  // namespace thaw::unicode
