#include "datasets/tokenizers/byte_trie.h"

namespace thaw {

ByteTrie::ByteTrie() : edges_(64, Edge{no_key, no_node}), values_(1, no_value), shift_(64 - 6) {}

void ByteTrie::put(std::uint64_t key, std::uint32_t child) {
  std::size_t i = slot(key);
  while (edges_[i].key != no_key) i = (i + 1) & (edges_.size() - 1);
  edges_[i] = {key, child};
}

void ByteTrie::grow() {
  std::vector<Edge> old(edges_.size() * 2, Edge{no_key, no_node});
  old.swap(edges_);
  --shift_;
  for (const Edge& edge : old) {
    if (edge.key != no_key) put(edge.key, edge.child);
  }
}

bool ByteTrie::insert(std::string_view key, std::uint32_t value) {
  std::uint32_t node = 0;
  for (const char byte : key) {
    std::uint32_t next = child(node, byte);
    if (next == no_node) {
      next = static_cast<std::uint32_t>(values_.size());
      values_.push_back(no_value);
      if (values_.size() * 2 > edges_.size()) grow();
      put(static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(byte), next);
    }
    node = next;
  }
  if (values_[node] != no_value) return false;
  values_[node] = value;
  return true;
}

std::optional<std::uint32_t> ByteTrie::find(std::string_view key) const {
  std::uint32_t node = 0;
  for (const char byte : key) {
    node = child(node, byte);
    if (node == no_node) return std::nullopt;
  }
  return values_[node] == no_value ? std::nullopt : std::optional(values_[node]);
}

std::optional<ByteTrie::Match> ByteTrie::longest_prefix(std::string_view text) const {
  std::optional<Match> best;
  std::uint32_t node = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    node = child(node, text[i]);
    if (node == no_node) break;
    if (values_[node] != no_value) best = Match{i + 1, values_[node]};
  }
  return best;
}

}  // namespace thaw
