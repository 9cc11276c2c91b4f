#include "datasets/shards/index.h"

#include <algorithm>
#include <array>
#include <set>

#include "framework/base/error.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

std::uint64_t count_of(const JsonView& view) {
  const std::int64_t value = view.integer();
  if (value < 0) view.fail("a count");
  return static_cast<std::uint64_t>(value);
}

LabelKind label_kind_of(const JsonView& view) {
  for (const LabelKind kind : {LabelKind::one, LabelKind::several, LabelKind::number, LabelKind::none})
    if (view.text() == name_of(kind)) return kind;
  view.fail("one, several, number or none");
}

AudioCodec codec_of(const JsonView& view) {
  for (const AudioCodec codec : {AudioCodec::i16, AudioCodec::flac, AudioCodec::features})
    if (view.text() == name_of(codec)) return codec;
  view.fail("i16, flac or features");
}

// A finite number of 0 or more.
double seconds_of(const JsonView& view) {
  const double value = view.number();
  if (!(value >= 0 && value < 1e15)) view.fail("seconds");
  return value;
}

std::vector<LeftOut> left_out_of(const JsonView& view) {
  if (!view.raw().is_array()) view.fail("an array");
  std::vector<LeftOut> all;
  for (std::size_t i = 0; i < view.size(); ++i) all.push_back(LeftOut::read(view[i]));
  return all;
}

OrderedJson json_of(const std::vector<LeftOut>& left_out) {
  OrderedJson all = OrderedJson::array();
  for (const LeftOut& left : left_out) all.push_back(left.to_json());
  return all;
}

// The shape whose datasets the index lists; check() sees whether it lists all of them.
RowShape shape_of(const std::vector<std::pair<std::string, Dtype>>& columns, LabelKind labels, AudioCodec audio) {
  const auto has = [&](const char* name) {
    return std::any_of(columns.begin(), columns.end(), [&](const auto& entry) { return entry.first == name; });
  };
  RowShape shape;
  shape.labels = labels, shape.audio = audio;
  shape.ids = audio == AudioCodec::none || has("input_ids");
  shape.wide_ids = std::find(columns.begin(), columns.end(), std::pair(std::string("input_ids"), Dtype::u32)) != columns.end();
  shape.pairs = has("second_start"), shape.weights = has("weight"), shape.groups = has("group"), shape.languages = has("language");
  return shape;
}

void check(const ShardIndex& index, const std::string& where) {
  std::uint64_t rows = 0, tokens = 0, truncated = 0, longest = 0;
  std::set<std::string> files;
  const auto check_source = [&](std::uint64_t source) {
    if (source >= index.sources.size()) throw DataError("{}: there is no source {}: shard it again", where, source);
  };
  for (const LeftOut& left : index.left_out) check_source(left.source);
  for (const ShardEntry& shard : index.shards) {
    rows += shard.rows, tokens += shard.tokens, truncated += shard.truncated;
    longest = std::max(longest, shard.longest);
    if (shard.rows == 0 && index.shape.audio == AudioCodec::none)
      throw DataError("{}: shards: {}: expected rows, found none", where, shard.file);
    for (const LeftOut& left : shard.left_out) check_source(left.source);
    for (const SourceShare& share : shard.sources) check_source(share.source);
    if (!files.insert(shard.file).second) throw DataError("{}: shards: {} is listed twice", where, shard.file);
  }
  if (rows != index.rows || tokens != index.tokens || truncated != index.truncated || longest != index.longest)
    throw DataError("{}: the shards add up to {} rows and {} tokens, expected {} and {}: shard it again", where, rows, tokens, index.rows,
                    index.tokens);
  const std::set<std::string> labels(index.labels.begin(), index.labels.end());
  if (labels.size() != index.labels.size()) throw DataError("{}: labels: one is named twice", where);
  if (index.rows == 0) throw DataError("{}: expected rows, found none", where);
  if (index.shape.audio == AudioCodec::features && index.feature_width == 0)
    throw DataError("{}: audio: expected the width of a frame of features, found 0", where);
}

}  // namespace

std::string checksum_of(const Json& index) {
  Json rest = index;
  rest.erase("xxh3");
  return hash_hex(rest.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::vector<std::string> block_checksums(std::string_view bytes) {
  std::vector<std::string> sums;
  for (std::size_t at = 0; at < bytes.size(); at += block_bytes) sums.push_back(hash_hex(bytes.substr(at, block_bytes)));
  return sums;
}

std::string shard_file_name(const std::string& name, std::uint64_t shard, std::uint64_t shards) {
  return fmt::format("{}-{:05}-of-{:05}.h5", name, shard, shards);
}

const char* name_of(AudioCodec codec) {
  constexpr std::array names{"none", "i16", "flac", "features"};
  return names[static_cast<std::size_t>(codec)];
}

std::vector<std::pair<std::string, Dtype>> columns_of(const RowShape& shape) {
  std::vector<std::pair<std::string, Dtype>> columns;
  const auto flat = [&](const char* name, Dtype dtype) {
    columns.emplace_back(name, dtype);
    columns.emplace_back(std::string(name) + "_offsets", Dtype::u64);
  };
  if (shape.audio == AudioCodec::i16) flat("audio", Dtype::i16);
  if (shape.audio == AudioCodec::flac) flat("audio", Dtype::u8);
  if (shape.audio == AudioCodec::features) flat("features", Dtype::f16);
  if (shape.audio != AudioCodec::none) columns.emplace_back("seconds", Dtype::f32);
  if (shape.ids) flat("input_ids", shape.wide_ids ? Dtype::u32 : Dtype::u16);
  if (shape.pairs) columns.emplace_back("second_start", Dtype::u32);
  if (shape.labels == LabelKind::one) columns.emplace_back("labels", Dtype::i32);
  if (shape.labels == LabelKind::several) flat("labels", Dtype::i32);
  if (shape.labels == LabelKind::number) columns.emplace_back("labels", Dtype::f32);
  if (shape.weights) columns.emplace_back("weight", Dtype::f32);
  if (shape.groups) flat("group", Dtype::u8);
  if (shape.languages) flat("language", Dtype::u8);
  flat("text", Dtype::u8);
  if (shape.pairs) flat("text_pair", Dtype::u8);
  flat("id", Dtype::u8);
  columns.emplace_back("source_line", Dtype::u64);
  return columns;
}

OrderedJson ShardEntry::to_json() const {
  OrderedJson json{{"file", file},       {"rows", rows},   {"tokens", tokens}, {"truncated", truncated},
                   {"longest", longest}, {"bytes", bytes}, {"xxh3", xxh3}};
  if (sources.empty() && left_out.empty()) return json;
  json["seconds"] = seconds;
  json["sources"] = OrderedJson::array();
  for (const SourceShare& share : sources)
    json["sources"].push_back(OrderedJson{{"source", share.source}, {"rows", share.rows}, {"seconds", share.seconds}});
  json["left_out"] = json_of(left_out);
  return json;
}

ShardEntry ShardEntry::read(const JsonView& view) {
  ShardEntry entry;
  entry.file = view["file"].text();
  if (entry.file.empty() || entry.file.find('/') != std::string::npos || entry.file.find('\0') != std::string::npos ||
      entry.file.front() == '.')
    view["file"].fail("the name of a file in this directory");
  entry.rows = count_of(view["rows"]);
  entry.tokens = count_of(view["tokens"]);
  entry.truncated = count_of(view["truncated"]);
  entry.longest = count_of(view["longest"]);
  entry.bytes = count_of(view["bytes"]);
  if (entry.rows > entry.bytes) view["rows"].fail("fewer than the file's bytes");
  if (entry.tokens > entry.bytes) view["tokens"].fail("fewer than the file's bytes");
  const JsonView sums = view["xxh3"];
  if (!sums.raw().is_array() || sums.size() != (entry.bytes + block_bytes - 1) / block_bytes) sums.fail("a checksum a block");
  for (std::size_t i = 0; i < sums.size(); ++i) entry.xxh3.push_back(sums[i].text());
  if (!view.has("sources")) return entry;
  entry.seconds = seconds_of(view["seconds"]);
  const JsonView shares = view["sources"];
  if (!shares.raw().is_array()) shares.fail("an array");
  for (std::size_t i = 0; i < shares.size(); ++i)
    entry.sources.push_back({count_of(shares[i]["source"]), count_of(shares[i]["rows"]), seconds_of(shares[i]["seconds"])});
  entry.left_out = left_out_of(view["left_out"]);
  return entry;
}

std::vector<std::pair<std::string, Dtype>> ShardIndex::columns() const { return columns_of(shape); }

bool ShardIndex::has(const std::string& column) const {
  const auto all = columns();
  return std::any_of(all.begin(), all.end(), [&](const auto& entry) { return entry.first == column; });
}

std::string ShardIndex::incomplete(const fs::path& directory) const {
  for (const ShardEntry& shard : shards) {
    std::error_code error;
    if (fs::file_size(directory / shard.file, error) != shard.bytes || error) return shard.file;
  }
  return "";
}

std::string ShardIndex::to_text() const {
  const bool speech = shape.audio != AudioCodec::none;
  OrderedJson json{{"format_version", shard_format_version}, {"kind", speech ? "speech" : "text"}, {"name", name}};
  json["labels"] = OrderedJson{{"kind", name_of(shape.labels)}, {"names", labels}};
  if (speech) json["audio"] = OrderedJson{{"codec", name_of(shape.audio)}, {"feature_width", feature_width}, {"seconds", seconds}};
  json["max_length"] = max_length;
  json["rows"] = rows;
  json["tokens"] = tokens;
  json["truncated"] = truncated;
  json["longest"] = longest;
  json["repaired_rows"] = repaired;
  json["skipped_rows"] = skipped;
  json["tokenizer"] = OrderedJson{{"fingerprint", tokenizer}, {"vocabulary_size", vocabulary_size}};
  json["options"] = options;
  for (const auto& [column, dtype] : columns()) {
    const bool compressed = shape.audio == AudioCodec::flac && column == "audio";
    json["columns"].push_back(OrderedJson{{"name", column}, {"dtype", name_of(dtype)}, {"codec", compressed ? "flac" : "none"}});
  }
  json["block_bytes"] = block_bytes;
  for (const SourceEntry& source : sources) {
    json["sources"].push_back(OrderedJson{{"path", source.path}, {"xxh3", source.xxh3}, {"rows", source.rows}});
    if (speech) json["sources"].back()["format"] = source.format, json["sources"].back()["seconds"] = source.seconds;
  }
  if (speech) json["left_out"] = json_of(left_out);
  for (const ShardEntry& shard : shards) json["shards"].push_back(shard.to_json());
  json["xxh3"] = checksum_of(json);
  return json.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

ShardIndex ShardIndex::read(const fs::path& directory) {
  if (!fs::exists(directory)) throw DataError(ExitCode::input_missing, "{}: there is no such directory", directory.string());
  const fs::path path = directory / "index.json";
  if (!fs::exists(path))
    throw DataError("{}: expected index.json in a directory of shards: sharding was not finished, or this is another directory",
                    directory.string());
  const JsonFile file(path);
  const JsonView view = file.view();
  if (view["format_version"].integer() != shard_format_version)
    throw DataError(
        "{}: format_version: expected {}, found {}: shard it again with this version of thaw, or read it with the one that wrote it",
        path.string(), shard_format_version, view["format_version"].integer());
  const bool speech = view["kind"].text() == "speech";
  if (!speech && view["kind"].text() != "text") view["kind"].fail("\"text\" or \"speech\"");
  ShardIndex index;
  index.name = view["name"].text();
  const LabelKind label_kind = label_kind_of(view["labels"]["kind"]);
  const AudioCodec audio = speech ? codec_of(view["audio"]["codec"]) : AudioCodec::none;
  if (speech) {
    const std::uint64_t width = count_of(view["audio"]["feature_width"]);
    if (width > 65536) view["audio"]["feature_width"].fail("at most 65536");
    index.feature_width = static_cast<std::uint32_t>(width);
    index.seconds = seconds_of(view["audio"]["seconds"]);
    index.left_out = left_out_of(view["left_out"]);
  }
  const JsonView names = view["labels"]["names"];
  if (!names.raw().is_array()) names.fail("an array");
  for (std::size_t i = 0; i < names.size(); ++i) index.labels.push_back(names[i].text());
  index.max_length = view["max_length"].integer();
  index.rows = count_of(view["rows"]);
  index.tokens = count_of(view["tokens"]);
  index.truncated = count_of(view["truncated"]);
  index.longest = count_of(view["longest"]);
  index.repaired = count_of(view["repaired_rows"]);
  index.skipped = count_of(view["skipped_rows"]);
  index.tokenizer = view["tokenizer"]["fingerprint"].text();
  index.vocabulary_size = count_of(view["tokenizer"]["vocabulary_size"]);
  index.options = view["options"].text();
  const JsonView columns = view["columns"];
  if (!columns.raw().is_array()) columns.fail("an array");
  std::vector<std::pair<std::string, Dtype>> listed;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const char* codec = audio == AudioCodec::flac && columns[i]["name"].text() == "audio" ? "flac" : "none";
    if (columns[i]["codec"].text() != codec) columns[i]["codec"].fail(fmt::format("\"{}\"", codec));
    listed.emplace_back(columns[i]["name"].text(), dtype_of(columns[i]["dtype"].text(), columns[i]["dtype"].where()));
  }
  index.shape = shape_of(listed, label_kind, audio);
  if (listed != index.columns())
    throw DataError("{}: columns: not those of labels of kind '{}': shard it again", path.string(), name_of(label_kind));
  if (count_of(view["block_bytes"]) != block_bytes) view["block_bytes"].fail(std::to_string(block_bytes));
  const JsonView sources = view["sources"];
  if (!sources.raw().is_array()) sources.fail("an array");
  for (std::size_t i = 0; i < sources.size(); ++i) {
    SourceEntry& source = index.sources.emplace_back();
    source.path = sources[i]["path"].text(), source.xxh3 = sources[i]["xxh3"].text(), source.rows = count_of(sources[i]["rows"]);
    if (speech) source.format = sources[i]["format"].text(), source.seconds = seconds_of(sources[i]["seconds"]);
  }
  const JsonView shards = view["shards"];
  if (!shards.raw().is_array()) shards.fail("an array");
  for (std::size_t i = 0; i < shards.size(); ++i) index.shards.push_back(ShardEntry::read(shards[i]));
  check(index, path.string());
  if (view["xxh3"].text() != checksum_of(file.raw()))
    throw DataError("{}: is damaged, or was changed by hand: its checksum fails: shard it again", path.string());
  return index;
}

}  // namespace thaw
