#include "framework/train/data.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "datasets/shards/cache.h"
#include "datasets/shards/split.h"
#include "framework/base/error.h"
#include "framework/train/encoder.h"

namespace thaw {
namespace {

LabelKind kind_of(Problem problem) {
  return problem == Problem::regression ? LabelKind::number : problem == Problem::multi_label ? LabelKind::several : LabelKind::one;
}

ShardOptions shard_options(const Recipe& recipe, const std::vector<std::string>& labels, std::int64_t max_length) {
  ShardOptions options;
  options.read.format = recipe.data.format;
  options.read.header = recipe.data.header;
  options.read.delimiter = recipe.data.delimiter;
  options.read.label_names = labels;
  options.read.text = recipe.data.text;
  options.read.pair = recipe.data.text_pair;
  options.read.label = recipe.data.label;
  options.read.id = recipe.data.id;
  options.read.weight = recipe.data.row_weight;
  options.read.group = recipe.data.group;
  options.read.separator = recipe.data.separator;
  options.read.label_kind = kind_of(problem_of(recipe));
  options.max_length = max_length;
  return options;
}

// `labels`: those there may be; empty: any.
std::shared_ptr<ShardSet> open_shards(const std::string& path, const Recipe& recipe, const std::vector<std::string>& labels,
                                      const Tokenizer& tokenizer, std::int64_t max_length, Communicator& comm, const Say& say) {
  const TokenizerEncoder encoder(tokenizer, max_length);
  const ShardRanks ranks{comm.rank(), comm.size(), [&](const std::string& mine) { return comm.all_gather_text(mine); }, say};
  const fs::path cache_dir = recipe.data.cache_dir.empty() ? usual_cache_dir() : fs::path(recipe.data.cache_dir);
  auto shards = std::make_shared<ShardSet>(ensure_sharded(path, encoder, shard_options(recipe, labels, max_length), cache_dir, ranks));
  const std::vector<float>& weights = shards->weights();
  if (!weights.empty() && std::all_of(weights.begin(), weights.end(), [](float weight) { return weight == 0; }))
    throw DataError("{}: the weights of all {} rows are 0, so that none would count: correct the column, or leave data.weight out", path,
                    weights.size());
  return shards;
}

// The run's numbers of a set's labels.
std::vector<int> number_labels(const std::string& set, const ShardSet& shards, const std::vector<std::string>& labels) {
  std::vector<int> ids;
  for (const std::string& label : shards.label_names()) {
    const auto found = std::find(labels.begin(), labels.end(), label);
    if (found == labels.end())
      throw DataError("{}: the label '{}' was never seen in training; the labels are: {}. Mend the file, or name all labels in data.labels",
                      set, label, listed(labels));
    ids.push_back(static_cast<int>(found - labels.begin()));
  }
  return ids;
}

// The sharder's order: that of a single source, or of all where they agree; else of all together, sorted as the sharder does.
std::vector<std::string> all_labels(const std::vector<DataSet>& sets) {
  const auto names_of = [](const DataSet& set) -> const std::vector<std::string>& { return set.shards->label_names(); };
  const std::vector<std::string>& first = names_of(sets.front());
  if (std::all_of(sets.begin(), sets.end(), [&](const DataSet& set) { return names_of(set) == first; })) return first;
  std::set<std::string> names;
  for (const DataSet& set : sets) names.insert(names_of(set).begin(), names_of(set).end());
  std::vector<std::string> sorted(names.begin(), names.end());
  sort_labels(sorted);
  return sorted;
}

at::Tensor positions_of(const std::vector<std::int64_t>& cu_seqlens) {
  at::Tensor positions = at::empty({cu_seqlens.back()}, at::kLong);
  std::int64_t* const out = positions.data_ptr<std::int64_t>();
  for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row) std::iota(out + cu_seqlens[row], out + cu_seqlens[row + 1], 0);
  return positions;
}

}  // namespace

Problem problem_of(const Recipe& recipe) {
  if (recipe.task == Task::text_regression) return Problem::regression;
  return recipe.data.multi_label ? Problem::multi_label : Problem::single_label;
}

RunData open_data(const Recipe& recipe, const Tokenizer& tokenizer, std::int64_t max_length, Communicator& comm, const Say& say) {
  RunData data;
  data.problem = problem_of(recipe);
  for (const DataSource& source : recipe.data.train)
    data.train.push_back({source.path, open_shards(source.path, recipe, recipe.data.labels, tokenizer, max_length, comm, say), {}});
  if (data.problem != Problem::regression) {
    data.labels = recipe.data.labels.empty() ? all_labels(data.train) : recipe.data.labels;
    if (data.labels.size() < 2 && data.problem == Problem::single_label)
      throw DataError("data.train: expected rows of at least two labels, found only '{}'", data.labels.empty() ? "" : data.labels.front());
    for (DataSet& set : data.train) set.label_ids = number_labels(set.name, *set.shards, data.labels);
  }
  for (const auto& [name, path] : recipe.data.eval)
    data.eval.push_back(open_set(name, path, recipe, data.labels, tokenizer, max_length, comm, say));
  return data;
}

DataSet open_set(const std::string& name, const std::string& path, const Recipe& recipe, const std::vector<std::string>& labels,
                 const Tokenizer& tokenizer, std::int64_t max_length, Communicator& comm, const Say& say) {
  DataSet set{name, open_shards(path, recipe, labels, tokenizer, max_length, comm, say), {}};
  if (problem_of(recipe) != Problem::regression) set.label_ids = number_labels(path, *set.shards, labels);
  return set;
}

PackedBatch collate(const std::vector<Encoding>& rows) {
  PackedBatch batch;
  batch.cu_seqlens.push_back(0);
  for (const Encoding& row : rows) batch.cu_seqlens.push_back(batch.cu_seqlens.back() + static_cast<std::int64_t>(row.ids.size()));
  batch.input_ids = at::empty({batch.cu_seqlens.back()}, at::kLong);
  batch.token_types = at::zeros({batch.cu_seqlens.back()}, at::kLong);
  std::int64_t *ids = batch.input_ids.data_ptr<std::int64_t>(), *types = batch.token_types.data_ptr<std::int64_t>();
  for (const Encoding& row : rows)
    for (std::size_t i = 0; i < row.ids.size(); ++i) {
      *ids++ = row.ids[i];
      *types++ = i >= row.second_start ? 1 : 0;
    }
  batch.positions = positions_of(batch.cu_seqlens);
  return batch;
}

namespace {

// Fills row `at` of a batch's targets.
void set_target(Targets& targets, std::int64_t at, const EncodedRow& row, const DataSet& set, std::int64_t outputs) {
  targets.weights.data_ptr<float>()[at] = row.weight;
  if (targets.labels.dim() == 2)
    for (const std::int32_t label : row.labels)
      targets.labels.data_ptr<float>()[at * outputs + set.label_ids[static_cast<std::size_t>(label)]] = 1;
  else if (targets.labels.scalar_type() == at::kLong)
    targets.labels.data_ptr<std::int64_t>()[at] = set.label_ids[static_cast<std::size_t>(row.labels.at(0))];
  else targets.labels.data_ptr<float>()[at] = row.target;
}

Targets empty_targets(const DataSet& set, std::int64_t rows, std::int64_t outputs) {
  const LabelKind kind = set.shards->label_kind();
  const at::Tensor labels = kind == LabelKind::several ? at::zeros({rows, outputs})
                            : kind == LabelKind::one   ? at::zeros({rows}, at::kLong)
                                                       : at::zeros({rows});
  return {labels, at::ones({rows})};
}

}  // namespace

PackedBatch collate(const std::vector<RowOfSet>& rows, std::int64_t outputs) {
  std::vector<Encoding> encodings;
  Targets targets = empty_targets(*rows.front().set, static_cast<std::int64_t>(rows.size()), outputs);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EncodedRow row = rows[i].set->shards->read(rows[i].row);
    set_target(targets, static_cast<std::int64_t>(i), row, *rows[i].set, outputs);
    encodings.push_back({std::move(row.input_ids), row.second_start, false});
  }
  PackedBatch batch = collate(encodings);
  batch.targets = targets;
  return batch;
}

void PackedBatch::to(const at::Device& device) {
  for (at::Tensor* tensor : {&input_ids, &token_types, &positions, &targets.labels, &targets.weights})
    if (tensor->defined()) *tensor = tensor->to(device);
}

Targets targets_of(const DataSet& set, std::int64_t outputs) {
  const auto rows = static_cast<std::int64_t>(set.shards->rows());
  Targets targets = empty_targets(set, rows, outputs);
  for (std::int64_t row = 0; row < rows; ++row) set_target(targets, row, set.shards->read(static_cast<std::uint64_t>(row)), set, outputs);
  return targets;
}

double share_of(const DataSet& set, std::uint64_t row, const Loss& loss) {
  const std::vector<float>& weights = set.shards->weights();
  const double weight = weights.empty() ? 1.0 : weights[row];
  if (loss.problem != Problem::single_label || loss.class_weights.empty()) return weight;
  return loss.share(weight, set.label_ids[static_cast<std::size_t>(set.shards->labels()[row])]);
}

}  // namespace thaw
