// Byte pair encoding over bytes (Sennrich et al., 2016; GPT-2's): a word starts as its bytes, and of all neighbours that the merges name
// the pair of the lowest rank becomes one, the leftmost first, until none is left.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "datasets/tokenizers/byte_trie.h"
#include "datasets/tokenizers/short_words.h"
#include "datasets/tokenizers/vocabulary.h"
#include "framework/base/json.h"

namespace thaw {

class Bpe {
 public:
  // `model`: tokenizer.json's, of type BPE. ModelError where it is not byte-level: each of the 256 bytes must have an entry.
  explicit Bpe(const JsonView& model);

  void encode(std::string_view word, std::vector<std::uint32_t>& ids) const;  // appends; any bytes
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Merge {
    std::uint64_t pair;  // left << 32 | right
    std::uint32_t rank, id;
  };
  static constexpr std::uint64_t no_pair = ~0ull;
  static constexpr std::uint32_t no_rank = ~0u;

  void read_merges(const JsonView& merges);
  void add_merge(const JsonView& where, std::string_view left, std::string_view right, std::uint32_t rank);
  std::size_t slot(std::uint64_t pair) const { return static_cast<std::size_t>((pair ^ pair >> 29) * 0x9E3779B97F4A7C15ull >> shift_); }
  const Merge& merge(std::uint32_t left, std::uint32_t right) const;  // with no_rank where there is none
  void keep_whole(std::string_view word, std::uint32_t id);
  void merge_short(std::string_view word, std::vector<std::uint32_t>& ids) const;
  void merge_long(std::string_view word, std::vector<std::uint32_t>& ids) const;

  Vocabulary vocabulary_;
  std::array<std::uint32_t, 256> of_byte_{};
  std::vector<Merge> merges_;  // open addressing
  int shift_ = 0;
  // The words that become one entry, most of a text's: short ones, and those that are longer than that.
  ShortWords whole_;
  ByteTrie whole_long_;
};

}  // namespace thaw
