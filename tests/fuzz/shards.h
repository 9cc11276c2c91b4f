// A directory with one small shard, of which fuzz targets replace a part, and everything that can be asked of it.
#pragma once

#include "datasets/shards/shard_builder.h"
#include "datasets/shards/shard_set.h"
#include "tests/fuzz/fuzz.h"

namespace thaw::fuzz {

class BytesAsIds final : public RowEncoder {
 public:
  Encoding encode(std::string_view text, std::optional<std::string_view> pair) const override {
    Encoding encoding;
    for (const char c : text) encoding.ids.push_back(static_cast<unsigned char>(c));
    encoding.second_start = static_cast<std::uint32_t>(encoding.ids.size());
    for (const char c : pair.value_or("")) encoding.ids.push_back(static_cast<unsigned char>(c));
    return encoding;
  }
  const std::string& fingerprint() const override { return name_; }
  std::size_t vocabulary_size() const override { return 256; }

 private:
  std::string name_ = "bytes";
};

struct SmallShards {
  ShardIndex index;
  std::string shard;  // the bytes of its one file
};

// One shard of speech, with audio as samples and bad input beside it.
inline SmallShards small_speech_shards() {
  SmallShards made;
  ShardIndex& index = made.index;
  index.name = "speech";
  index.shape.labels = LabelKind::none;
  index.shape.groups = index.shape.languages = true;
  index.shape.audio = AudioCodec::i16;
  index.vocabulary_size = 256;
  index.tokenizer = index.options = "0123456789abcdef";
  const BytesAsIds encoder;
  ShardBuilder builder(index, &encoder);
  for (std::uint64_t line = 1; line <= 3; ++line) {
    Row row;
    row.id = std::to_string(line);
    row.line = line;
    row.text = "spoken";
    row.group = "g", row.language = "en";
    row.audio.samples = {1, -2, 3};
    row.audio.seconds = 3.0 / 16000;
    builder.add(row);
  }
  const LeftOut silent{"silent", "small.tsv:4", "4", "its peak is 0", 0};
  builder.leave_out(silent);
  ShardEntry entry;
  std::tie(made.shard, entry) = builder.finish();
  entry.file = shard_file_name(index.name, 0, 1);
  index.rows = entry.rows, index.tokens = entry.tokens, index.longest = entry.longest, index.seconds = entry.seconds;
  index.left_out = {silent};
  index.sources = {{"small.tsv", "0123456789abcdef", entry.rows, "table", entry.seconds}};
  index.shards = {std::move(entry)};
  return made;
}

inline SmallShards small_shards() {
  SmallShards made;
  ShardIndex& index = made.index;
  index.name = "small";
  index.shape.labels = LabelKind::several;
  index.shape.pairs = index.shape.weights = index.shape.groups = true;
  index.labels = {"bad", "good"};
  index.vocabulary_size = 256;
  index.tokenizer = index.options = "0123456789abcdef";
  const BytesAsIds encoder;
  ShardBuilder builder(index, &encoder);
  for (std::uint64_t line = 1; line <= 3; ++line) {
    Row row;
    row.id = std::to_string(line);
    row.line = line;
    row.text = "a text";
    row.pair = "another";
    row.labels = {"good"};
    row.group = "g";
    builder.add(row);
  }
  ShardEntry entry;
  std::tie(made.shard, entry) = builder.finish();
  entry.file = shard_file_name(index.name, 0, 1);
  index.rows = entry.rows;
  index.tokens = entry.tokens;
  index.truncated = entry.truncated;
  index.longest = entry.longest;
  index.sources = {{"small.tsv", "0123456789abcdef", entry.rows, "", 0}};
  index.shards = {std::move(entry)};
  return made;
}

// Where a row cannot be read, the next one is still asked for.
inline void read_all(const std::filesystem::path& directory) {
  accepts([&] {
    const ShardSet set(directory);
    accepts([&] { set.lengths(); });
    accepts([&] { set.labels(); });
    accepts([&] { set.targets(); });
    accepts([&] { set.weights(); });
    accepts([&] { set.seconds(); });
    for (std::uint64_t row = 0; row < std::min<std::uint64_t>(set.rows(), 8); ++row) {
      accepts([&] { set.read(row); });
      accepts([&] { set.samples(row); });
      accepts([&] { set.audio_file(row); });
      accepts([&] { set.features(row); });
      accepts([&] { set.language(row); });
      accepts([&] { set.text(row), set.pair(row), set.id(row), set.group(row), set.source_line(row); });
    }
  });
}

// The same of a shard whose file is these bytes, with checksums that fit.
inline void read_as_shard(const SmallShards& small, std::string_view bytes) {
  ShardIndex index = small.index;
  index.shards[0].bytes = bytes.size();
  index.shards[0].xxh3 = block_checksums(bytes);
  folder().put("index.json", index.to_text());
  folder().put(index.shards[0].file, bytes);
  read_all(folder().path());
}

}  // namespace thaw::fuzz
