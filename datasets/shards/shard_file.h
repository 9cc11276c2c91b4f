// One shard, open for reading: HDF5 says where its arrays lie, and the values are read from the mapped file, so that a random
// row costs no call into a library, threads need no lock, and ranks of a node share the page cache.
// A block's checksum is compared when the block is first touched. DataError naming file and block or dataset.
#pragma once

#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/shards/index.h"

namespace thaw {

// Values of a mapped array, which may lie at any address.
template <typename T>
class Values {
 public:
  Values() = default;
  Values(const char* data, std::uint64_t count) : data_(data), count_(count) {}
  std::uint64_t size() const { return count_; }
  T operator[](std::uint64_t i) const {
    T value;
    std::memcpy(&value, data_ + i * sizeof(T), sizeof(T));
    return value;
  }

 private:
  const char* data_ = nullptr;
  std::uint64_t count_ = 0;
};

class ShardFile {
 public:
  ShardFile(const fs::path& directory, const ShardIndex& index, const ShardEntry& entry);

  // `count` values from `first` on, their blocks checked.
  template <typename T>
  Values<T> values(const std::string& dataset, std::uint64_t first, std::uint64_t count) const {
    const Extent& extent = extents_.at(dataset);
    if (first > extent.count || count > extent.count - first) out_of_range(dataset, first, count);
    const std::uint64_t begin = extent.offset + first * sizeof(T);
    check_blocks(begin, begin + count * sizeof(T));
    return {text_.data() + begin, count};
  }
  template <typename T>
  Values<T> values(const std::string& dataset) const { return values<T>(dataset, 0, extents_.at(dataset).count); }

  // Where row `row` begins and ends in the flat array `dataset`, by DATASET_offsets.
  std::pair<std::uint64_t, std::uint64_t> bounds(const std::string& dataset, std::uint64_t row) const;
  std::string string(const std::string& dataset, std::uint64_t row) const;

 private:
  void check_counts(const ShardIndex& index) const;
  void check_blocks(std::uint64_t begin, std::uint64_t end) const;
  [[noreturn]] void out_of_range(const std::string& dataset, std::uint64_t first, std::uint64_t count) const;

  fs::path path_;
  const ShardEntry& entry_;
  MappedFile file_;
  std::string_view text_;
  std::map<std::string, Extent> extents_;
  mutable std::unique_ptr<std::atomic<bool>[]> checked_;  // by block
};

}  // namespace thaw
