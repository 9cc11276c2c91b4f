// The rows of TSV, CSV and JSONL files, one file after another, as the source of shards.
#pragma once

#include <memory>
#include <vector>

#include "datasets/shards/row_source.h"

namespace thaw {

class TextRows final : public RowSource {
 public:
  // `options` must outlive it. UsageError for what one of several ranks alone can read.
  TextRows(const std::vector<fs::path>& paths, const ShardOptions& options, const ShardRanks& ranks);
  ShardIndex describe() const override;
  Scan scan() override { return scan_sources(sources_, options_); }
  std::string identity() const override { return identity_; }
  void rewind() override;
  bool next(Row& row) override;

 private:
  const ShardOptions& options_;
  Sources sources_;
  std::vector<SourceEntry> entries_;
  std::string name_, identity_;
  std::size_t source_ = 0;
  std::unique_ptr<RowReader> reader_;  // of sources_[source_]
};

// A name for shards out of a path: letters, digits, '_' and '-'.
std::string shard_name(const fs::path& source);

}  // namespace thaw
