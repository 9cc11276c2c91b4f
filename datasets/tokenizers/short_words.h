// A map from byte strings of up to 16 bytes to 32-bit values, for words that are looked up all the time: the bytes themselves are the
// key, so that a look-up is one probe in most cases, and compares two numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace thaw {

class ShortWords {
 public:
  static constexpr std::size_t longest = 16;

  explicit ShortWords(std::size_t most_words = 0) : slots_(std::bit_ceil(most_words * 2 + 2)) {}

  // Of a word of 1 to 16 bytes that is not there yet; no more of them than the constructor was told.
  void insert(std::string_view word, std::uint32_t value) {
    Slot slot = slot_of(word);
    slot.value = value;
    std::size_t at = place(slot);
    while (slots_[at].length != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }

  std::optional<std::uint32_t> find(std::string_view word) const {
    const Slot wanted = slot_of(word);
    for (std::size_t at = place(wanted); slots_[at].length != 0; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.low == wanted.low && slot.high == wanted.high && slot.length == wanted.length) return slot.value;
    }
    return std::nullopt;
  }

 private:
  struct Slot {
    std::uint64_t low = 0, high = 0;  // the bytes, and zeros behind them
    std::uint32_t length = 0;         // 0: nobody's slot
    std::uint32_t value = 0;
  };
  static Slot slot_of(std::string_view word) {
    char bytes[longest] = {};
    std::memcpy(bytes, word.data(), word.size());
    Slot slot;
    std::memcpy(&slot.low, bytes, 8);
    std::memcpy(&slot.high, bytes + 8, 8);
    slot.length = static_cast<std::uint32_t>(word.size());
    return slot;
  }
  std::size_t place(const Slot& slot) const {
    std::uint64_t mixed = (slot.low ^ std::rotl(slot.high, 31) ^ slot.length) * 0x9E3779B97F4A7C15ull;
    mixed ^= mixed >> 32;
    mixed *= 0xD6E8FEB86659FD93ull;
    return static_cast<std::size_t>(mixed >> 32) & (slots_.size() - 1);
  }

  std::vector<Slot> slots_;
};

}  // namespace thaw
