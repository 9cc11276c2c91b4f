// Text from outside on its way to people: names and cells in messages. Header-only, since plugins throw too.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

namespace thaw {

// Control characters as \x1b, so that what a file holds cannot command a terminal. Line ends and tabs stay.
inline std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
    const bool c0 = (byte(i) < 0x20 && text[i] != '\n' && text[i] != '\t') || byte(i) == 0x7F;
    const bool c1 = byte(i) == 0xC2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xA0;  // U+0080 to U+009F in UTF-8
    if (c0 || c1) out += fmt::format("\\x{:02x}", byte(c1 ? ++i : i));
    else out += text[i];
  }
  return out;
}

// The same as one cell of a table: line ends and tabs too.
inline std::string printable_cell(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) out += c == '\t' ? "\\t" : c == '\n' ? "\\n" : std::string(1, c);
  return out;
}

// The parts between the separators; "" is one empty part.
inline std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at != std::string_view::npos;) {
    at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at != std::string_view::npos) text.remove_prefix(at + 1);
  }
  return parts;
}

// Without blanks and line ends at both sides.
inline std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// "a, b, c": the first ten, and how many more there are.
inline std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t most = 10;
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < most; ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > most) out += fmt::format(" and {} more", names.size() - most);
  return out;
}

}  // namespace thaw
