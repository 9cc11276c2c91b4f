// What sharding needs to know: how to read, how to encode, how large, which ranks share the work.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "datasets/shards/reader.h"
#include "datasets/tokenizers/tokenizer.h"

namespace thaw {

// Whatever turns text into ids: a tokenizer with its limit of length.
class RowEncoder {
 public:
  virtual ~RowEncoder() = default;
  virtual Encoding encode(std::string_view text, std::optional<std::string_view> pair) const = 0;
  virtual const std::string& fingerprint() const = 0;
  virtual std::size_t vocabulary_size() const = 0;
};

// "train=0.8,dev=0.1,test=0.1": fractions that add up to 1.
struct SplitFractions {
  std::vector<std::pair<std::string, double>> parts;
  std::uint64_t seed = 42;
  static SplitFractions parse(std::string_view text, std::uint64_t seed);  // DataError
};

struct ShardOptions {
  ReadOptions read;             // its label_names are the order of labels; empty: those found, sorted (integers by value)
  std::int64_t max_length = 0;  // that the encoder was given; recorded
  std::uint64_t rows_per_shard = 8192;
  // One directory a split: by fractions (rows of a group stay together; a row without one is its own, by its id), or by
  // read.split's column. Neither: one directory.
  std::optional<SplitFractions> fractions;
};

// The ranks that shard together. `all_gather` gives every rank the texts of all, in rank order: Communicator's
// all_gather_text. An error on one rank is thrown on all. `say` gets what people should know, a line at a time, on rank 0.
struct ShardRanks {
  int rank = 0, size = 1;
  std::function<std::vector<std::string>(const std::string&)> all_gather = [](const std::string& mine) { return std::vector{mine}; };
  std::function<void(const std::string&)> say = [](const std::string&) {};
};

}  // namespace thaw
