// One shard, open for reading: HDF5 says where its arrays lie, and the values are read from the mapped file, so that a random
// row costs no call into a library, threads need no lock, and ranks of a node share the page cache.
// A block's checksum is compared when the block is first touched. DataError naming file and block or dataset.
#pragma once

#include <array>
#include <atomic>
#include <cstring>
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

// What a shard may hold; a flat one has offsets too.
enum class Column : std::size_t {
  audio,
  features,
  seconds,
  input_ids,
  second_start,
  labels,
  weight,
  group,
  language,
  text,
  text_pair,
  id,
  source_line
};
inline constexpr std::array<const char*, 13> column_names{"audio",     "features", "seconds",    "input_ids", "second_start",
                                                          "labels",    "weight",   "group",      "language",  "text",
                                                          "text_pair", "id",       "source_line"};

class ShardFile {
 public:
  ShardFile(const fs::path& directory, const ShardIndex& index, const ShardEntry& entry);

  // `count` values from `first` on, their blocks checked.
  template <typename T>
  Values<T> values(Column column, std::uint64_t first, std::uint64_t count) const {
    return checked<T>(extents_[static_cast<std::size_t>(column)], column, first, count);
  }
  template <typename T>
  Values<T> values(Column column) const {
    return values<T>(column, 0, extents_[static_cast<std::size_t>(column)].count);
  }

  // Where row `row` begins and ends in a flat column.
  std::pair<std::uint64_t, std::uint64_t> bounds(Column column, std::uint64_t row) const;
  std::string string(Column column, std::uint64_t row) const;

 private:
  template <typename T>
  Values<T> checked(const Extent& extent, Column column, std::uint64_t first, std::uint64_t count) const {
    if (first > extent.count || count > extent.count - first) out_of_range(column, first, count);
    const std::uint64_t begin = extent.offset + first * sizeof(T);
    check_blocks(begin, begin + count * sizeof(T));
    return {text_.data() + begin, count};
  }
  void check_blocks(std::uint64_t begin, std::uint64_t end) const;
  [[noreturn]] void out_of_range(Column column, std::uint64_t first, std::uint64_t count) const;

  fs::path path_;
  const ShardEntry& entry_;
  MappedFile file_;
  std::string_view text_;
  std::array<Extent, column_names.size()> extents_, offsets_;  // by column
  mutable std::unique_ptr<std::atomic<bool>[]> checked_;       // by block
};

}  // namespace thaw
