#include "datasets/tokenizers/byte_level.h"

#include <unicode/uchar.h>

#include <array>
#include <cstdint>
#include <memory>

#include "datasets/tokenizers/utf8.h"

namespace thaw::byte_level {
namespace {

enum Class : std::uint8_t { other, letter, number, space };

constexpr bool visible(unsigned byte) { return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE; }

constexpr std::array<char32_t, 256> characters = [] {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) table[byte] = visible(byte) ? byte : next++;
  return table;
}();

// Of the characters below U+0144; -1 for those that stand for no byte.
constexpr std::array<int, 0x144> bytes = [] {
  std::array<int, 0x144> table{};
  for (int& byte : table) byte = -1;
  for (int byte = 0; byte < 256; ++byte) table[characters[static_cast<std::size_t>(byte)]] = byte;
  return table;
}();

Class compute_class(char32_t c) {
  const auto point = static_cast<UChar32>(c);
  const std::uint32_t category = U_GET_GC_MASK(point);
  if (category & U_GC_L_MASK) return letter;
  if (category & U_GC_N_MASK) return number;
  return u_hasBinaryProperty(point, UCHAR_WHITE_SPACE) ? space : other;
}

Class class_of(char32_t c) {
  static const auto table = [] {
    auto classes = std::make_unique<std::array<Class, 0x10000>>();
    for (char32_t point = 0; point < 0x10000; ++point) (*classes)[point] = compute_class(point);
    return classes;
  }();
  return c < 0x10000 ? (*table)[c] : compute_class(c);
}

// Behind an apostrophe: the length of an English contraction's end, or 0.
std::size_t contraction(std::string_view rest) {
  if (rest.size() >= 2 && (rest[1] == 's' || rest[1] == 't' || rest[1] == 'm' || rest[1] == 'd')) return 2;
  const std::string_view two = rest.substr(1, 2);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}

// Past the run of one class that starts at `at`; also where its last character starts.
struct Run {
  std::size_t end, last;
};
Run run_of(std::string_view text, std::size_t at, Class kind) {
  Run run{at, at};
  for (std::size_t next = at; next < text.size();) {
    const std::size_t start = next;
    if (class_of(next_code_point(text, next)) != kind) break;
    run = {next, start};
  }
  return run;
}

}  // namespace

char32_t character_of(unsigned char byte) { return characters[byte]; }

std::optional<std::string> bytes_of(std::string_view entry) {
  std::string out;
  for (std::size_t at = 0; at < entry.size();) {
    const char32_t c = next_code_point(entry, at);
    if (c >= bytes.size() || bytes[c] < 0) return std::nullopt;
    out.push_back(static_cast<char>(bytes[c]));
  }
  return out;
}

void split_words(std::string_view text, std::vector<std::string_view>& words) {
  for (std::size_t start = 0; start < text.size();) {
    std::size_t at = start;
    Class kind = class_of(next_code_point(text, at));
    std::size_t end = at;
    if (const std::size_t length = text[start] == '\'' ? contraction(text.substr(start)) : 0; length > 0) {
      end = start + length;
    } else if (kind != space) {
      end = run_of(text, start, kind).end;
    } else {
      // A blank belongs to the word behind it; of several white spaces before a word, all but the last are a word of their own.
      const Run run = run_of(text, start, space);
      if (run.end == text.size() || run.last == start) end = run.end;
      else end = run.last;
      if (run.last == start && text[start] == ' ' && run.end < text.size()) {
        std::size_t next = at;
        kind = class_of(next_code_point(text, next));
        end = run_of(text, at, kind).end;
      }
    }
    words.push_back(text.substr(start, end - start));
    start = end;
  }
}

}  // namespace thaw::byte_level
