// index.json of a directory of shards: all that is known of the rows without opening a shard.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "datasets/shards/hdf5.h"
#include "datasets/shards/row.h"
#include "framework/base/json.h"

namespace thaw {

inline constexpr std::int64_t shard_format_version = 2;
inline constexpr std::uint64_t block_bytes = std::uint64_t{1} << 20;  // that one checksum covers

struct ShardEntry {
  std::string file;  // a name without directories
  std::uint64_t rows = 0, tokens = 0, truncated = 0, longest = 0, bytes = 0;
  std::vector<std::string> xxh3;  // of each block of the file, the last one shorter
  OrderedJson to_json() const;
  static ShardEntry read(const JsonView& view);
};

struct SourceEntry {
  std::string path, xxh3;
  std::uint64_t rows = 0;  // that are in this directory
};

struct ShardIndex {
  std::string name;  // NAME-00000-of-00016.h5
  LabelKind label_kind = LabelKind::one;
  std::vector<std::string> labels;
  std::int64_t max_length = 0;  // 0: none
  std::uint64_t rows = 0, tokens = 0, truncated = 0, longest = 0;
  std::uint64_t repaired = 0, skipped = 0;  // of the sources as a whole
  std::uint64_t vocabulary_size = 0;
  std::string tokenizer, options;                      // fingerprints
  std::vector<std::pair<std::string, Dtype>> columns;  // datasets of every shard
  std::vector<ShardEntry> shards;
  std::vector<SourceEntry> sources;

  bool has(const std::string& column) const;
  std::string incomplete(const fs::path& directory) const;  // the first shard that is not there with its size; "" if all are
  std::string to_text() const;
  static ShardIndex read(const fs::path& directory);  // checked; DataError naming the file and what is wrong
};

// The checksum of an index that stands in it as "xxh3": of all else in it, its keys in alphabetical order, without spaces.
std::string checksum_of(const Json& index);
std::vector<std::string> block_checksums(std::string_view bytes);
std::string shard_file_name(const std::string& name, std::uint64_t shard, std::uint64_t shards);

// The datasets of shards of this kind.
std::vector<std::pair<std::string, Dtype>> columns_for(LabelKind kind, bool wide_ids, bool pairs, bool weights, bool groups);

}  // namespace thaw
