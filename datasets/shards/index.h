// index.json of a directory of shards: all that is known of the rows without opening a shard.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "datasets/shards/hdf5.h"
#include "datasets/shards/left_out.h"
#include "datasets/shards/row.h"
#include "framework/base/json.h"

namespace thaw {

inline constexpr std::int64_t shard_format_version = 2;
inline constexpr std::uint64_t block_bytes = std::uint64_t{1} << 20;  // that one checksum covers

// How a row's audio lies in a shard.
enum class AudioCodec {
  none,     // rows are text
  i16,      // /audio: samples at 16,000 Hz
  flac,     // /audio: a FLAC file each, at its own rate
  features  // /features: binary16, `feature_width` numbers a frame
};
const char* name_of(AudioCodec codec);  // "none", "i16", …

// What rows consist of, and so which datasets their shards have.
struct RowShape {
  LabelKind labels = LabelKind::one;
  bool ids = true, wide_ids = false;  // wide: u32
  bool pairs = false, weights = false, groups = false, languages = false;
  AudioCodec audio = AudioCodec::none;
};

// Of a shard of speech: the rows that come from one source.
struct SourceShare {
  std::uint64_t source = 0, rows = 0;
  double seconds = 0;
};

struct ShardEntry {
  std::string file;  // a name without directories
  std::uint64_t rows = 0, tokens = 0, truncated = 0, longest = 0, bytes = 0;
  std::vector<std::string> xxh3;  // of each block of the file, the last one shorter
  // Of speech alone, which may have no row left:
  double seconds = 0;
  std::vector<SourceShare> sources;
  std::vector<LeftOut> left_out;
  OrderedJson to_json() const;
  static ShardEntry read(const JsonView& view);
};

struct SourceEntry {
  std::string path, xxh3;
  std::uint64_t rows = 0;  // that are in this directory
  std::string format;      // of a corpus of speech
  double seconds = 0;      // of its rows
};

struct ShardIndex {
  std::string name;  // NAME-00000-of-00016.h5
  RowShape shape;
  std::vector<std::string> labels;
  std::int64_t max_length = 0;  // 0: none
  std::uint64_t rows = 0, tokens = 0, truncated = 0, longest = 0;
  std::uint64_t repaired = 0, skipped = 0;  // of the sources as a whole
  std::uint64_t vocabulary_size = 0;
  std::string tokenizer, options;   // fingerprints
  double seconds = 0;               // of speech
  std::uint32_t feature_width = 0;  // AudioCodec::features
  std::vector<LeftOut> left_out;    // of the sources as a whole, before audio was looked at
  std::vector<ShardEntry> shards;
  std::vector<SourceEntry> sources;

  std::vector<std::pair<std::string, Dtype>> columns() const;  // datasets of every shard
  bool has(const std::string& column) const;
  std::string incomplete(const fs::path& directory) const;  // the first shard that is not there with its size; "" if all are
  std::string to_text() const;
  static ShardIndex read(const fs::path& directory);  // checked; DataError naming the file and what is wrong
};

// The checksum of an index that stands in it as "xxh3": of all else in it, its keys in alphabetical order, without spaces.
std::string checksum_of(const Json& index);
std::vector<std::string> block_checksums(std::string_view bytes);
std::string shard_file_name(const std::string& name, std::uint64_t shard, std::uint64_t shards);

std::vector<std::pair<std::string, Dtype>> columns_of(const RowShape& shape);

}  // namespace thaw
