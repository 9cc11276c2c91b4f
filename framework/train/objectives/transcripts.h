// The transcripts of a set, as the tokens that are learnt of them; kept in memory, four bytes a token.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "datasets/shards/shard_set.h"

namespace thaw {

class Transcripts {
 public:
  using Encode = std::function<std::vector<std::uint32_t>(const std::string& text)>;
  // Shards keep the text of each row; ids that stand there may be another tokenizer's.
  Transcripts(const ShardSet& shards, const Encode& encode) {
    for (std::uint64_t row = 0; row < shards.rows(); ++row) {
      const std::vector<std::uint32_t> of_row = encode(shards.text(row));
      ids_.insert(ids_.end(), of_row.begin(), of_row.end());
      ends_.push_back(ids_.size());
    }
  }
  std::span<const std::uint32_t> operator[](std::uint64_t row) const {
    const std::size_t begin = row == 0 ? 0 : ends_[row - 1];
    return std::span(ids_).subspan(begin, ends_[row] - begin);
  }

 private:
  std::vector<std::uint32_t> ids_;
  std::vector<std::size_t> ends_;
};

}  // namespace thaw
