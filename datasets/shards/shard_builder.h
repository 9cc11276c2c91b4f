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
  // `index` says the columns and the labels' order.
  ShardBuilder(const ShardIndex& index, const RowEncoder& encoder);
  void add(const Row& row);
  // The bytes of the HDF5 file, and its entry but for the name.
  std::pair<std::string, ShardEntry> finish();

 private:
  struct Strings {
    std::string bytes;
    std::vector<std::uint64_t> offsets{0};
    void add(std::string_view text) {
      bytes += text;
      offsets.push_back(bytes.size());
    }
  };

  const ShardIndex& index_;
  const RowEncoder& encoder_;
  std::map<std::string, std::int32_t> label_ids_;
  ShardEntry entry_;
  std::vector<std::uint32_t> ids_, second_start_;
  std::vector<std::uint64_t> ids_offsets_{0}, label_offsets_{0}, lines_;
  std::vector<std::int32_t> labels_;
  std::vector<float> targets_, weights_;
  Strings text_, pair_, id_, group_;
};

}  // namespace thaw
