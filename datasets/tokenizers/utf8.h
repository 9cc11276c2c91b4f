// UTF-8: repair of foreign bytes, and code points of text that is known to be valid.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace thaw {

bool is_ascii(std::string_view bytes);
bool is_utf8(std::string_view bytes);

// As Python's bytes.decode("utf-8", "replace"): each longest prefix of a sequence that can no longer become valid is one U+FFFD.
std::string repair_utf8(std::string_view bytes);

// The code point at `at`, which moves past it. `text` is valid UTF-8.
inline char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t lead = byte(at);
  if (lead < 0x80) return at += 1, lead;
  if (lead < 0xE0) return at += 2, (lead & 0x1F) << 6 | (byte(at - 1) & 0x3F);
  if (lead < 0xF0) return at += 3, (lead & 0x0F) << 12 | (byte(at - 2) & 0x3F) << 6 | (byte(at - 1) & 0x3F);
  return at += 4, (lead & 0x07) << 18 | (byte(at - 3) & 0x3F) << 12 | (byte(at - 2) & 0x3F) << 6 | (byte(at - 1) & 0x3F);
}

inline void append_utf8(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out.push_back(static_cast<char>(0x80 | (c >> shift & 0x3F))); };
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | c >> 6)), tail(0);
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | c >> 12)), tail(6), tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | c >> 18)), tail(12), tail(6), tail(0);
  }
}

}  // namespace thaw
