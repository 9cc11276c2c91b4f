#include "framework/comm/sum_tree.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace thaw {

// A subtree: all of one rank, or with the program that adds its pieces.
struct SumTree::Part {
  static constexpr int nobody = -1, several = -2;
  int owner = nobody;
  std::vector<int> program;
};

// Left subtrees are the largest powers of two: where grains divide so, a rank's share is one subtree.
SumTree::Part SumTree::visit(const std::vector<int>& owners, std::size_t begin, std::size_t end) {
  if (end - begin == 1) {
    const int owner = owners[begin];
    if (owner < 0) return {};
    merges_[static_cast<std::size_t>(owner)].push_back(0);
    return {owner, {owner}};
  }
  const std::size_t middle = begin + std::bit_floor(end - begin - 1);
  Part left = visit(owners, begin, middle), right = visit(owners, middle, end);
  if (left.owner == Part::nobody) return right;
  if (right.owner == Part::nobody) return left;
  if (left.owner == right.owner && left.owner >= 0) {
    ++merges_[static_cast<std::size_t>(left.owner)].back();  // the last term pushed is the right subtree's
    return left;
  }
  left.owner = Part::several;
  left.program.insert(left.program.end(), right.program.begin(), right.program.end());
  left.program.push_back(add);
  return left;
}

SumTree SumTree::fixed(const std::vector<int>& owners, int ranks) {
  SumTree tree;
  tree.fixed_ = true;
  tree.merges_.resize(static_cast<std::size_t>(ranks));
  tree.pieces_.resize(static_cast<std::size_t>(ranks));
  tree.program_ = tree.visit(owners, 0, owners.size()).program;
  for (const int step : tree.program_)
    if (step >= 0) ++tree.pieces_[static_cast<std::size_t>(step)];
  return tree;
}

SumTree SumTree::by_rank(const std::vector<int>& terms) {
  SumTree tree;
  for (std::size_t rank = 0; rank < terms.size(); ++rank) {
    auto& merges = tree.merges_.emplace_back(static_cast<std::size_t>(terms[rank]), 1);
    if (!merges.empty()) merges.front() = 0;
    tree.pieces_.push_back(1);
    tree.program_.push_back(static_cast<int>(rank));
    if (rank > 0) tree.program_.push_back(add);
  }
  return tree;
}

int SumTree::most_pieces() const { return *std::max_element(pieces_.begin(), pieces_.end()); }

int SumTree::stack_depth(int rank) const {
  int depth = 0, most = 0;
  for (const int merges : this->merges(rank)) {
    if (merges == 0) most = std::max(most, depth + 1);  // else it is added to what is there, and never stands by itself
    depth += 1 - merges;
  }
  return most;
}

void add_pieces(const SumTree& tree, const std::function<const float*(std::size_t rank, std::size_t number)>& piece_of, float* sum,
                std::size_t count) {
  std::vector<const float*> pieces;  // in the order in which the program pushes them
  std::vector<std::size_t> next(tree.ranks());
  for (const int step : tree.program()) {
    if (step == SumTree::add) continue;
    const auto rank = static_cast<std::size_t>(step);
    pieces.push_back(piece_of(rank, next[rank]++));
  }
  constexpr std::size_t block = 2048;  // of a few, added up in the first-level cache
  std::vector<const float*> stack;
  std::vector<std::vector<float>> sums;  // by place in the stack
  for (std::size_t begin = 0; begin < count; begin += block) {
    const std::size_t length = std::min(block, count - begin);
    std::size_t pushed = 0;
    for (const int step : tree.program()) {
      if (step != SumTree::add) {
        stack.push_back(pieces[pushed++] + begin);
        continue;
      }
      const float* const b = stack.back();
      stack.pop_back();
      const float* const a = stack.back();
      while (sums.size() < stack.size()) sums.emplace_back(block);
      float* const into = sums[stack.size() - 1].data();
      for (std::size_t i = 0; i < length; ++i) into[i] = a[i] + b[i];
      stack.back() = into;
    }
    std::memmove(sum + begin, stack.back(), length * sizeof(float));
    stack.clear();
  }
}

}  // namespace thaw
