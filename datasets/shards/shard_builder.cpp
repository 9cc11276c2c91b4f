#include "datasets/shards/shard_builder.h"

#include <algorithm>

#include "framework/base/error.h"

namespace thaw {

ShardBuilder::ShardBuilder(const ShardIndex& index, const RowEncoder& encoder) : index_(index), encoder_(encoder) {
  for (const std::string& label : index.labels) label_ids_.emplace(label, static_cast<std::int32_t>(label_ids_.size()));
}

void ShardBuilder::add(const Row& row) {
  const Encoding encoding = encoder_.encode(row.text, row.pair ? std::optional<std::string_view>(*row.pair) : std::nullopt);
  for (const std::uint32_t id : encoding.ids)
    if (id >= index_.vocabulary_size)
      throw DataError("row {} (line {}): the tokenizer gave id {}, outside its vocabulary of {}", row.id, row.line, id,
                      index_.vocabulary_size);
  ids_.insert(ids_.end(), encoding.ids.begin(), encoding.ids.end());
  ids_offsets_.push_back(ids_.size());
  second_start_.push_back(encoding.second_start);
  for (const std::string& label : row.labels) labels_.push_back(label_ids_.at(label));
  label_offsets_.push_back(labels_.size());
  targets_.push_back(static_cast<float>(row.target));
  weights_.push_back(static_cast<float>(row.weight));
  text_.add(row.text);
  if (row.pair) pair_.add(*row.pair);
  id_.add(row.id);
  group_.add(row.group);
  lines_.push_back(row.line);
  ++entry_.rows;
  entry_.tokens += encoding.ids.size();
  entry_.truncated += encoding.truncated ? 1 : 0;
  entry_.longest = std::max<std::uint64_t>(entry_.longest, encoding.ids.size());
}

std::pair<std::string, ShardEntry> ShardBuilder::finish() {
  std::vector<Hdf5Array> arrays;
  const std::vector<std::uint16_t> narrow(ids_.begin(), ids_.end());
  for (const auto& [column, dtype] : index_.columns) {
    const auto put = [&, &name = column, type = dtype](const auto& values) {
      arrays.push_back({name, type, values.data(), values.size()});
    };
    if (column == "input_ids" && dtype == Dtype::u16) put(narrow);
    else if (column == "input_ids") put(ids_);
    else if (column == "input_ids_offsets") put(ids_offsets_);
    else if (column == "second_start") put(second_start_);
    else if (column == "labels" && dtype == Dtype::f32) put(targets_);
    else if (column == "labels") put(labels_);
    else if (column == "labels_offsets") put(label_offsets_);
    else if (column == "weight") put(weights_);
    else if (column == "group") put(group_.bytes);
    else if (column == "group_offsets") put(group_.offsets);
    else if (column == "text") put(text_.bytes);
    else if (column == "text_offsets") put(text_.offsets);
    else if (column == "text_pair") put(pair_.bytes);
    else if (column == "text_pair_offsets") put(pair_.offsets);
    else if (column == "id") put(id_.bytes);
    else if (column == "id_offsets") put(id_.offsets);
    else if (column == "source_line") put(lines_);
    else throw Error(ExitCode::bug, "no values for the column " + column);
  }
  std::string bytes = hdf5_bytes(arrays);
  entry_.bytes = bytes.size();
  entry_.xxh3 = block_checksums(bytes);
  return {std::move(bytes), entry_};
}

}  // namespace thaw
