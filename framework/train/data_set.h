// One named set of rows, and a row of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/shards/shard_set.h"
#include "framework/train/objectives/transcripts.h"

namespace thaw {

struct DataSet {
  std::string name;
  std::shared_ptr<ShardSet> shards;
  std::vector<int> label_ids;                           // the run's numbers of the shards' labels
  std::shared_ptr<const Transcripts> transcripts = {};  // of speech recognition
  float weight(std::uint64_t row) const { return shards->weights().empty() ? 1.0F : shards->weights()[row]; }
};

struct RowOfSet {
  const DataSet* set;
  std::uint64_t row;
  const ShardSet& shards() const { return *set->shards; }
};

}  // namespace thaw
