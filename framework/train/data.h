// The data of a run: shard sets opened (or sharded on the way), labels numbered alike everywhere, and rows collated into
// the tensors of one forward pass.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datasets/shards/shard_set.h"
#include "datasets/tokenizers/tokenizer.h"
#include "framework/comm/communicator.h"
#include "framework/tasks/classification.h"
#include "framework/train/recipe.h"

namespace thaw {

// One named set of rows. `label_ids` maps the shards' own numbers of labels to the run's.
struct DataSet {
  std::string name;
  std::shared_ptr<ShardSet> shards;
  std::vector<int> label_ids;
};

struct RunData {
  Problem problem = Problem::single_label;
  std::vector<std::string> labels;  // names by number; empty for regression
  std::vector<DataSet> train, eval;
  std::int64_t outputs() const { return problem == Problem::regression ? 1 : static_cast<std::int64_t>(labels.size()); }
};

Problem problem_of(const Recipe& recipe);

// Opens the recipe's sources; a source file is sharded first, by all ranks, into the cache. Collective.
// A label that neither the recipe nor the training data has is a DataError naming the row (of shards: the set) and the label.
// `say` gets what people should know of how files were read, on rank 0.
using Say = std::function<void(const std::string& line)>;
RunData open_data(const Recipe& recipe, const Tokenizer& tokenizer, std::int64_t max_length, Communicator& comm, const Say& say);

// One more set for a model whose labels stand: `thaw eval --data`. Collective.
DataSet open_set(const std::string& name, const std::string& path, const Recipe& recipe, const std::vector<std::string>& labels,
                 const Tokenizer& tokenizer, std::int64_t max_length, Communicator& comm, const Say& say);

// Some rows, one after another without padding, as a forward pass takes them.
struct PackedBatch {
  std::vector<std::int64_t> cu_seqlens;          // rows + 1
  at::Tensor input_ids, token_types, positions;  // int64 [tokens]
  Targets targets;
  void to(const at::Device& device);
};

// The tensors of rows that were tokenised just now (no targets).
PackedBatch collate(const std::vector<Encoding>& rows);

struct RowOfSet {
  const DataSet* set;
  std::uint64_t row;
};
PackedBatch collate(const std::vector<RowOfSet>& rows, std::int64_t outputs);

// The targets of all rows of a set, in their order.
Targets targets_of(const DataSet& set, std::int64_t outputs);

// A row's part of the divisor, from the index alone: every rank knows a step's global sum without a collective.
double share_of(const DataSet& set, std::uint64_t row, const Loss& loss);

}  // namespace thaw
