#include "datasets/tokenizers/utf8.h"

#include <cstdint>
#include <cstring>

namespace thaw {
namespace {

std::size_t ascii_prefix(std::string_view bytes) {
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    if (word & 0x8080808080808080ull) break;
  }
  while (i < bytes.size() && static_cast<unsigned char>(bytes[i]) < 0x80) ++i;
  return i;
}

struct Sequence {
  std::size_t bytes;
  bool valid;
};

// The sequence that starts with a byte of 0x80 or more: whole, or the part of it that is as it should be (at least one byte).
// The second byte's range rules out overlong forms, surrogates and values past U+10FFFF (Unicode, table 3-7).
Sequence read_sequence(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0) return {1, false};
  unsigned char low = 0x80, high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  for (std::size_t i = 1; i < length; ++i, low = 0x80, high = 0xBF) {
    if (i >= bytes.size() || byte(i) < low || byte(i) > high) return {i, false};
  }
  return {length, true};
}

}  // namespace

bool is_ascii(std::string_view bytes) { return ascii_prefix(bytes) == bytes.size(); }

bool is_utf8(std::string_view bytes) {
  while (true) {
    bytes.remove_prefix(ascii_prefix(bytes));
    if (bytes.empty()) return true;
    const Sequence sequence = read_sequence(bytes);
    if (!sequence.valid) return false;
    bytes.remove_prefix(sequence.bytes);
  }
}

std::string repair_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + 16);
  while (true) {
    const std::size_t plain = ascii_prefix(bytes);
    out.append(bytes.substr(0, plain));
    bytes.remove_prefix(plain);
    if (bytes.empty()) return out;
    const Sequence sequence = read_sequence(bytes);
    out.append(sequence.valid ? bytes.substr(0, sequence.bytes) : std::string_view("\xEF\xBF\xBD"));
    bytes.remove_prefix(sequence.bytes);
  }
}

}  // namespace thaw
