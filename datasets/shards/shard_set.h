// A directory of shards, open for reading: rows by number, whichever shard they are in. Opening reads index.json alone; a shard
// is opened when a row of it is first asked for. Reading is const and may be done by several threads.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "datasets/shards/index.h"

namespace thaw {

struct EncodedRow {
  std::vector<std::uint32_t> input_ids;  // empty where the set has none
  std::uint32_t second_start = 0;        // where token type 1 starts; input_ids.size() where there is none
  std::vector<std::int32_t> labels;      // LabelKind::one: exactly one; several: any number; numbers of label_names()
  float target = 0;                      // LabelKind::number
  float weight = 1;
};

class ShardFile;
enum class Column : std::size_t;

class ShardSet {
 public:
  // DataError where index.json is missing (66), of another version, or contradicts itself.
  explicit ShardSet(fs::path directory);
  ~ShardSet();

  std::uint64_t rows() const { return index_.rows; }
  std::uint64_t tokens() const { return index_.tokens; }
  std::uint64_t truncated() const { return index_.truncated; }  // rows that were longer than max_length
  std::uint64_t longest() const { return index_.longest; }      // tokens of the longest row
  std::int64_t max_length() const { return index_.max_length; }
  LabelKind label_kind() const { return index_.shape.labels; }
  const std::vector<std::string>& label_names() const { return index_.labels; }
  bool has_pairs() const { return index_.shape.pairs; }
  bool has_ids() const { return index_.shape.ids; }  // speech that is only classified has none
  AudioCodec audio_codec() const { return index_.shape.audio; }
  const std::string& tokenizer_fingerprint() const { return index_.tokenizer; }
  const fs::path& directory() const { return directory_; }
  const ShardIndex& index() const { return index_; }
  // XXH3 of all that a run's numbers depend on: shards' checksums, labels, tokenizer. Equal for copies elsewhere.
  const std::string& fingerprint() const { return fingerprint_; }

  // Of all rows; read once, then kept.
  const std::vector<std::uint32_t>& lengths() const;  // tokens
  const std::vector<std::int32_t>& labels() const;    // a row's (first) label, -1 where it has none; empty without labels
  const std::vector<float>& targets() const;          // LabelKind::number; else empty
  const std::vector<float>& weights() const;          // empty where all are 1
  const std::vector<float>& seconds() const;          // of audio; empty where rows are text

  EncodedRow read(std::uint64_t row) const;
  std::string text(std::uint64_t row) const;
  std::optional<std::string> pair(std::uint64_t row) const;
  std::string id(std::uint64_t row) const;
  std::string group(std::uint64_t row) const;     // of speech the speaker; "" where there are none
  std::string language(std::uint64_t row) const;  // "" where there are none
  std::uint64_t source_line(std::uint64_t row) const;

  // A row's audio, as audio_codec() says; a DataError for another one.
  std::vector<std::int16_t> samples(std::uint64_t row) const;  // i16: at 16,000 Hz
  std::string audio_file(std::uint64_t row) const;             // flac: the bytes of a file
  std::vector<float> features(std::uint64_t row) const;        // features: [frames, index().feature_width]

 private:
  struct Place {
    const ShardFile& file;
    std::uint64_t row;  // inside the file
  };
  Place find(std::uint64_t row) const;
  const ShardFile& open(std::size_t shard) const;
  void needs(AudioCodec codec) const;
  template <typename T>
  const std::vector<T>& column(std::vector<T>& kept, Column which) const;

  fs::path directory_;
  ShardIndex index_;
  std::string fingerprint_;
  std::vector<std::uint64_t> ends_;  // cumulative rows of the shards
  mutable std::mutex mutex_;         // guards what is opened and kept below
  mutable std::vector<std::unique_ptr<ShardFile>> files_;
  mutable std::vector<std::uint32_t> lengths_;
  mutable std::vector<std::int32_t> labels_;
  mutable std::vector<float> targets_, weights_, seconds_;
};

}  // namespace thaw
