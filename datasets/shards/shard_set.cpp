#include "datasets/shards/shard_set.h"

#include <algorithm>

#include "datasets/shards/half.h"
#include "datasets/shards/shard_file.h"
#include "framework/base/error.h"
#include "framework/base/hash.h"

namespace thaw {

ShardSet::ShardSet(fs::path directory)
    : directory_(std::move(directory)), index_(ShardIndex::read(directory_)), files_(index_.shards.size()) {
  Hasher hasher;
  const auto add = [&](const std::string& text) { hasher.update(text).update("\n", 1); };
  add(index_.tokenizer);
  add(name_of(label_kind()));
  for (const std::string& label : index_.labels) add(label);
  std::uint64_t end = 0;
  for (const ShardEntry& shard : index_.shards) {
    ends_.push_back(end += shard.rows);
    for (const std::string& sum : shard.xxh3) add(sum);
  }
  fingerprint_ = hasher.hex();
}

ShardSet::~ShardSet() = default;

const ShardFile& ShardSet::open(std::size_t shard) const {
  const std::lock_guard lock(mutex_);
  if (!files_[shard]) files_[shard] = std::make_unique<ShardFile>(directory_, index_, index_.shards[shard]);
  return *files_[shard];
}

ShardSet::Place ShardSet::find(std::uint64_t row) const {
  if (row >= rows()) throw DataError("{}: there is no row {}: the last one is {}", directory_.string(), row, rows() - 1);
  const auto shard = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin());
  return {open(shard), row - (shard == 0 ? 0 : ends_[shard - 1])};
}

const std::vector<std::uint32_t>& ShardSet::lengths() const {
  if (!has_ids()) {
    const std::lock_guard lock(mutex_);
    lengths_.resize(rows());
    return lengths_;
  }
  for (std::size_t shard = 0; shard < files_.size(); ++shard) {
    const ShardFile& file = open(shard);
    const std::lock_guard lock(mutex_);
    if (lengths_.size() != ends_[shard] - index_.shards[shard].rows) continue;
    std::vector<std::uint32_t> lengths;
    for (std::uint64_t row = 0; row < index_.shards[shard].rows; ++row) {
      const auto [begin, end] = file.bounds(Column::input_ids, row);
      lengths.push_back(static_cast<std::uint32_t>(end - begin));
    }
    lengths_.insert(lengths_.end(), lengths.begin(), lengths.end());
  }
  return lengths_;
}

template <typename T>
const std::vector<T>& ShardSet::column(std::vector<T>& kept, Column which) const {
  for (std::size_t shard = 0; shard < files_.size(); ++shard) {
    const ShardFile& file = open(shard);
    const std::lock_guard lock(mutex_);
    if (kept.size() != ends_[shard] - index_.shards[shard].rows) continue;
    const auto values = file.values<T>(which);
    for (std::uint64_t row = 0; row < values.size(); ++row) kept.push_back(values[row]);
  }
  return kept;
}

const std::vector<float>& ShardSet::targets() const {
  return label_kind() == LabelKind::number ? column(targets_, Column::labels) : targets_;
}
const std::vector<float>& ShardSet::weights() const { return index_.shape.weights ? column(weights_, Column::weight) : weights_; }

const std::vector<float>& ShardSet::seconds() const {
  return audio_codec() == AudioCodec::none ? seconds_ : column(seconds_, Column::seconds);
}

const std::vector<std::int32_t>& ShardSet::labels() const {
  if (label_kind() == LabelKind::one) {
    column(labels_, Column::labels);
    const auto wrong = std::find_if(labels_.begin(), labels_.end(), [&](std::int32_t label) {
      return label < 0 || static_cast<std::size_t>(label) >= index_.labels.size();
    });
    if (wrong != labels_.end())
      throw DataError("{}: row {}: label {} of {}: shard it again", directory_.string(), wrong - labels_.begin(), *wrong,
                      index_.labels.size());
  } else if (label_kind() == LabelKind::several) {
    {
      const std::lock_guard lock(mutex_);
      if (!labels_.empty()) return labels_;
    }
    std::vector<std::int32_t> first;
    for (std::uint64_t row = 0; row < rows(); ++row) {
      const std::vector<std::int32_t> all = read(row).labels;
      first.push_back(all.empty() ? -1 : all[0]);
    }
    const std::lock_guard lock(mutex_);
    if (labels_.empty()) labels_ = std::move(first);
  }
  return labels_;
}

EncodedRow ShardSet::read(std::uint64_t row) const {
  const auto [file, at] = find(row);
  EncodedRow encoded;
  const auto [begin, end] = has_ids() ? file.bounds(Column::input_ids, at) : std::pair<std::uint64_t, std::uint64_t>();
  encoded.input_ids.resize(end - begin);
  const auto copy = [&](const auto& ids) {
    for (std::uint64_t i = 0; i < ids.size(); ++i) {
      if (ids[i] >= index_.vocabulary_size)
        throw DataError("{}: row {}: id {} lies outside the vocabulary of {}: shard it again", directory_.string(), row, ids[i],
                        index_.vocabulary_size);
      encoded.input_ids[i] = ids[i];
    }
  };
  if (has_ids() && index_.shape.wide_ids) copy(file.values<std::uint32_t>(Column::input_ids, begin, end - begin));
  else if (has_ids()) copy(file.values<std::uint16_t>(Column::input_ids, begin, end - begin));
  encoded.second_start = static_cast<std::uint32_t>(encoded.input_ids.size());
  if (has_pairs()) encoded.second_start = std::min(encoded.second_start, file.values<std::uint32_t>(Column::second_start, at, 1)[0]);
  if (label_kind() == LabelKind::number) {
    encoded.target = file.values<float>(Column::labels, at, 1)[0];
  } else if (label_kind() != LabelKind::none) {
    const auto [first, last] = label_kind() == LabelKind::one ? std::pair(at, at + 1) : file.bounds(Column::labels, at);
    const auto labels = file.values<std::int32_t>(Column::labels, first, last - first);
    for (std::uint64_t i = 0; i < labels.size(); ++i) {
      if (labels[i] < 0 || static_cast<std::size_t>(labels[i]) >= index_.labels.size())
        throw DataError("{}: row {}: label {} of {}: shard it again", directory_.string(), row, labels[i], index_.labels.size());
      encoded.labels.push_back(labels[i]);
    }
  }
  if (index_.shape.weights) encoded.weight = file.values<float>(Column::weight, at, 1)[0];
  return encoded;
}

std::string ShardSet::text(std::uint64_t row) const {
  const auto [file, at] = find(row);
  return file.string(Column::text, at);
}

std::optional<std::string> ShardSet::pair(std::uint64_t row) const {
  if (!has_pairs()) return {};
  const auto [file, at] = find(row);
  return file.string(Column::text_pair, at);
}

std::string ShardSet::id(std::uint64_t row) const {
  const auto [file, at] = find(row);
  return file.string(Column::id, at);
}

std::string ShardSet::group(std::uint64_t row) const {
  if (!index_.shape.groups) return "";
  const auto [file, at] = find(row);
  return file.string(Column::group, at);
}

std::string ShardSet::language(std::uint64_t row) const {
  if (!index_.shape.languages) return "";
  const auto [file, at] = find(row);
  return file.string(Column::language, at);
}

std::uint64_t ShardSet::source_line(std::uint64_t row) const {
  const auto [file, at] = find(row);
  return file.values<std::uint64_t>(Column::source_line, at, 1)[0];
}

void ShardSet::needs(AudioCodec codec) const {
  if (audio_codec() != codec)
    throw DataError("{}: expected rows with audio as {}, found {}: shard it again with --audio {}", directory_.string(), name_of(codec),
                    name_of(audio_codec()), name_of(codec));
}

std::vector<std::int16_t> ShardSet::samples(std::uint64_t row) const {
  needs(AudioCodec::i16);
  const auto [file, at] = find(row);
  const auto [begin, end] = file.bounds(Column::audio, at);
  const auto values = file.values<std::int16_t>(Column::audio, begin, end - begin);
  std::vector<std::int16_t> samples(values.size());
  for (std::uint64_t i = 0; i < values.size(); ++i) samples[i] = values[i];
  return samples;
}

std::string ShardSet::audio_file(std::uint64_t row) const {
  needs(AudioCodec::flac);
  const auto [file, at] = find(row);
  return file.string(Column::audio, at);
}

std::vector<float> ShardSet::features(std::uint64_t row) const {
  needs(AudioCodec::features);
  const auto [file, at] = find(row);
  const auto [begin, end] = file.bounds(Column::features, at);
  if ((end - begin) % index_.feature_width != 0)
    throw DataError("{}: row {}: expected frames of {} numbers, found {} numbers: shard it again", directory_.string(), row,
                    index_.feature_width, end - begin);
  const auto values = file.values<std::uint16_t>(Column::features, begin, end - begin);
  std::vector<float> features(values.size());
  for (std::uint64_t i = 0; i < values.size(); ++i) features[i] = float_of(values[i]);
  return features;
}

}  // namespace thaw
