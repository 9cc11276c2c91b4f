// The order in which a step's terms (the gradients of its grains) are added, and the ranks that have them.
// A rank adds up its own terms as they come, on a stack of partial sums; what is left there at the end are its pieces, and
// these are added over all ranks. A `fixed` tree's shape depends on the grains alone: the sum has the same bits whoever computes them.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace thaw {

class SumTree {
 public:
  // owners[g]: the rank of grain g, ascending; negative where the grain is empty and adds nothing. At least one is not.
  static SumTree fixed(const std::vector<int>& owners, int ranks);
  // Each rank adds its terms in turn, then the ranks' sums are added in rank order. A rank without terms adds zeros.
  static SumTree by_rank(const std::vector<int>& terms);

  bool is_fixed() const { return fixed_; }
  std::size_t ranks() const { return pieces_.size(); }
  // Of each of a rank's terms: it is pushed onto the stack, and then so many times the upper two are added into one.
  const std::vector<int>& merges(int rank) const { return merges_[static_cast<std::size_t>(rank)]; }
  int pieces(int rank) const { return pieces_[static_cast<std::size_t>(rank)]; }
  int most_pieces() const;          // of any rank
  int stack_depth(int rank) const;  // at the most, before a term is added to what is below it
  // How the pieces are added, in postfix order: a rank stands for its next piece, `add` for the sum of the upper two.
  static constexpr int add = -1;
  const std::vector<int>& program() const { return program_; }

 private:
  struct Part;
  Part visit(const std::vector<int>& owners, std::size_t begin, std::size_t end);

  bool fixed_ = false;
  std::vector<std::vector<int>> merges_;
  std::vector<int> pieces_;
  std::vector<int> program_;
};

// Adds `count` floats of each piece; piece_of(rank, n) is a rank's n-th. `sum` may be one of them.
void add_pieces(const SumTree& tree, const std::function<const float*(std::size_t rank, std::size_t number)>& piece_of, float* sum,
                std::size_t count);

}  // namespace thaw
