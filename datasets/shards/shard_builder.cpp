#include "datasets/shards/shard_builder.h"

#include <algorithm>

#include "framework/base/error.h"

namespace thaw {

ShardBuilder::ShardBuilder(const ShardIndex& index, const RowEncoder* encoder) : index_(index), encoder_(encoder) {
  for (const std::string& label : index.labels) label_ids_.emplace(label, static_cast<std::int32_t>(label_ids_.size()));
}

void ShardBuilder::add(const Row& row) {
  if (index_.shape.ids) add_ids(row);
  if (index_.shape.audio != AudioCodec::none) add_audio(row);
  std::vector<std::int32_t> labels;
  for (const std::string& label : row.labels) labels.push_back(label_ids_.at(label));
  labels_.add(labels);
  targets_.push_back(static_cast<float>(row.target));
  weights_.push_back(static_cast<float>(row.weight));
  text_.add(row.text);
  if (row.pair) pair_.add(*row.pair);
  id_.add(row.id);
  group_.add(row.group);
  language_.add(row.language);
  lines_.push_back(row.line);
  ++entry_.rows;
}

void ShardBuilder::add_ids(const Row& row) {
  if (encoder_ == nullptr) throw Error(ExitCode::bug, "rows with ids, and no tokenizer");
  const Encoding encoding = encoder_->encode(row.text, row.pair ? std::optional<std::string_view>(*row.pair) : std::nullopt);
  for (const std::uint32_t id : encoding.ids)
    if (id >= index_.vocabulary_size)
      throw DataError("row {} (line {}): the tokenizer gave id {}, outside its vocabulary of {}", row.id, row.line, id,
                      index_.vocabulary_size);
  ids_.add(encoding.ids);
  second_start_.push_back(encoding.second_start);
  entry_.tokens += encoding.ids.size();
  entry_.truncated += encoding.truncated ? 1 : 0;
  entry_.longest = std::max<std::uint64_t>(entry_.longest, encoding.ids.size());
}

void ShardBuilder::add_audio(const Row& row) {
  switch (index_.shape.audio) {
    case AudioCodec::none: break;
    case AudioCodec::i16: samples_.add(row.audio.samples); break;
    case AudioCodec::flac: files_.add(row.audio.file); break;
    case AudioCodec::features: features_.add(row.audio.features); break;
  }
  seconds_.push_back(static_cast<float>(row.audio.seconds));
  entry_.seconds += row.audio.seconds;
  if (entry_.sources.empty() || entry_.sources.back().source != row.source) entry_.sources.push_back({row.source, 0, 0});
  ++entry_.sources.back().rows;
  entry_.sources.back().seconds += row.audio.seconds;
}

std::pair<std::string, ShardEntry> ShardBuilder::finish() {
  const std::vector<std::uint16_t> narrow(ids_.values.begin(), index_.shape.wide_ids ? ids_.values.begin() : ids_.values.end());
  std::vector<Hdf5Array> arrays;
  const auto put = [&](const char* name, Dtype dtype, const auto& values) {
    arrays.push_back({name, dtype, values.data(), values.size()});
  };
  const auto put_flat = [&](const char* name, Dtype dtype, const auto& flat) {
    put(name, dtype, flat.values);
    arrays.push_back({std::string(name) + "_offsets", Dtype::u64, flat.offsets.data(), flat.offsets.size()});
  };
  for (const auto& [column, dtype] : index_.columns()) {
    if (column.ends_with("_offsets")) continue;  // beside their column
    if (column == "audio" && dtype == Dtype::i16) put_flat("audio", dtype, samples_);
    else if (column == "audio") put_flat("audio", dtype, files_);
    else if (column == "features") put_flat("features", dtype, features_);
    else if (column == "seconds") put("seconds", dtype, seconds_);
    else if (column == "input_ids" && dtype == Dtype::u32) put_flat("input_ids", dtype, ids_);
    else if (column == "input_ids") put("input_ids", dtype, narrow), put("input_ids_offsets", Dtype::u64, ids_.offsets);
    else if (column == "second_start") put("second_start", dtype, second_start_);
    else if (column == "labels" && dtype == Dtype::f32) put("labels", dtype, targets_);
    else if (column == "labels" && index_.shape.labels == LabelKind::several) put_flat("labels", dtype, labels_);
    else if (column == "labels") put("labels", dtype, labels_.values);
    else if (column == "weight") put("weight", dtype, weights_);
    else if (column == "group") put_flat("group", dtype, group_);
    else if (column == "language") put_flat("language", dtype, language_);
    else if (column == "text") put_flat("text", dtype, text_);
    else if (column == "text_pair") put_flat("text_pair", dtype, pair_);
    else if (column == "id") put_flat("id", dtype, id_);
    else if (column == "source_line") put("source_line", dtype, lines_);
    else throw Error(ExitCode::bug, "no values for the column " + column);
  }
  std::string bytes = hdf5_bytes(arrays);
  entry_.bytes = bytes.size();
  entry_.xxh3 = block_checksums(bytes);
  return {std::move(bytes), entry_};
}

}  // namespace thaw
