#include "datasets/shards/text_rows.h"

#include "framework/base/error.h"
#include "framework/base/hash.h"

namespace thaw {

std::string shard_name(const fs::path& source) {
  std::string name = source.stem().string();
  for (char& c : name)
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-')) c = '_';
  return name.empty() || name == "-" ? "stdin" : name.substr(0, 100);
}

TextRows::TextRows(const std::vector<fs::path>& paths, const ShardOptions& options, const ShardRanks& ranks) : options_(options) {
  if (paths.empty()) throw DataError("no source file was named");
  for (const fs::path& path : paths)
    if (ranks.size > 1 && !SourceText::can_be_read_again(path))
      throw UsageError("{}: reaches one rank alone: write it to a file first, or shard it on one rank",
                       path == "-" ? "standard input" : path.string());
  for (const fs::path& path : paths) {
    sources_.push_back(std::make_shared<SourceText>(path));
    SourceEntry& entry = entries_.emplace_back();
    entry.path = path.string();
    entry.xxh3 = hash_hex(sources_.back()->text());
    identity_ += fmt::format(",{} {}", entry.xxh3, static_cast<int>(format_of(path, options_.read.format)));
  }
  name_ = shard_name(paths[0]);
}

ShardIndex TextRows::describe() const {
  ShardIndex index;
  index.name = name_;
  index.shape.labels = options_.read.label_kind;
  index.shape.pairs = !options_.read.pair.empty();
  index.shape.weights = !options_.read.weight.empty();
  index.shape.groups = !options_.read.group.empty();
  index.sources = entries_;
  return index;
}

void TextRows::rewind() {
  source_ = 0;
  reader_.reset();
}

bool TextRows::next(Row& row) {
  for (; source_ < sources_.size(); ++source_, reader_.reset()) {
    if (!reader_) reader_ = std::make_unique<RowReader>(sources_[source_], options_.read);
    if (!reader_->next(row)) continue;
    row.source = source_;
    complete_id(row, source_, sources_.size(), options_.read);
    return true;
  }
  return false;
}

}  // namespace thaw
