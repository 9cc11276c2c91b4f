// The rows of one shard, encoded and gathered into flat arrays.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "datasets/shards/index.h"
#include "datasets/shards/options.h"

namespace thaw {

class ShardBuilder {
 public:
  // `index` says the columns and the labels' order. `encoder` may be null where rows have no ids.
  ShardBuilder(const ShardIndex& index, const RowEncoder* encoder);
  void add(const Row& row);
  void leave_out(LeftOut left_out) { entry_.left_out.push_back(std::move(left_out)); }
  // The bytes of the HDF5 file, and its entry but for the name.
  std::pair<std::string, ShardEntry> finish();

 private:
  // A flat column: the values of all rows, and where each row's begin and the last one's end.
  template <typename Container>
  struct Flat {
    Container values;
    std::vector<std::uint64_t> offsets{0};
    void add(const Container& more) {
      values.insert(values.end(), more.begin(), more.end());
      offsets.push_back(values.size());
    }
  };
  using Strings = Flat<std::string>;

  void add_ids(const Row& row);
  void add_audio(const Row& row);

  const ShardIndex& index_;
  const RowEncoder* encoder_;
  std::map<std::string, std::int32_t> label_ids_;
  ShardEntry entry_;
  Flat<std::vector<std::uint32_t>> ids_;
  Flat<std::vector<std::int32_t>> labels_;
  Flat<std::vector<std::int16_t>> samples_;
  Flat<std::vector<std::uint16_t>> features_;
  Strings text_, pair_, id_, group_, language_, files_;
  std::vector<std::uint32_t> second_start_;
  std::vector<std::uint64_t> lines_;
  std::vector<float> targets_, weights_, seconds_;
};

}  // namespace thaw
