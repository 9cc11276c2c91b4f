// A trie over bytes that maps strings to 32-bit values: exact look-up and longest prefix, without allocation.
// The edges of all nodes share one open-addressing table, so that a step is one probe in most cases.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace thaw {

class ByteTrie {
 public:
  struct Match {
    std::size_t length;
    std::uint32_t value;
  };

  ByteTrie();
  bool insert(std::string_view key, std::uint32_t value);  // false, and no change, where the key is there
  bool empty() const { return values_.size() == 1; }
  std::optional<std::uint32_t> find(std::string_view key) const;
  std::optional<Match> longest_prefix(std::string_view text) const;  // never of length 0

 private:
  struct Edge {
    std::uint64_t key;  // node << 8 | byte
    std::uint32_t child;
  };
  static constexpr std::uint64_t no_key = ~0ull;
  static constexpr std::uint32_t no_node = 0, no_value = ~0u;  // node 0 is the root, nobody's child

  std::size_t slot(std::uint64_t key) const { return static_cast<std::size_t>(key * 0x9E3779B97F4A7C15ull >> shift_); }
  std::uint32_t child(std::uint32_t node, char byte) const {
    const std::uint64_t key = static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
    for (std::size_t i = slot(key);; i = (i + 1) & (edges_.size() - 1)) {
      if (edges_[i].key == key) return edges_[i].child;
      if (edges_[i].key == no_key) return no_node;
    }
  }
  void put(std::uint64_t key, std::uint32_t child);
  void grow();

  std::vector<Edge> edges_;
  std::vector<std::uint32_t> values_;  // of each node
  int shift_;
};

}  // namespace thaw
