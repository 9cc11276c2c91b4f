// From source files to directories of shards: `thaw shard`. Collective over the ranks, which share the shards out; files and
// bytes are the same on any number of them. Interrupted, it goes on where it stopped: finished shards are kept.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datasets/shards/index.h"
#include "datasets/shards/options.h"
#include "datasets/shards/row_source.h"

namespace thaw {

struct ShardReport {
  struct Directory {
    std::string split;  // "" where there are none
    fs::path path;
    ShardIndex index;
  };
  std::vector<Directory> directories;
  std::uint64_t written = 0, kept = 0;  // shards, over all ranks
};

// What to do where a living job is sharding into the same directory: refuse (73), or wait until it is done, or gone.
enum class WhereBusy { refuse, wait };

// Rows of any source: `open` is called once on each rank, where what it throws is every rank's error. `encoder` may be null where
// rows have no ids.
// Writes into `out`, or out/SPLIT where there are splits: index.json and the shards, nothing else once it is finished.
// Where `out` holds finished shards of the same sources, tokenizer and options, only damaged or missing ones are written, and
// nothing at all where none is; finished shards of anything else are refused (73). What an interrupted run left is gone on with
// where its sources and options are the same, else removed.
// `progress` gets (rows done, rows in all) of this rank's shards now and then.
ShardReport write_shards(const std::function<std::unique_ptr<RowSource>()>& open, const fs::path& out, const RowEncoder* encoder,
                         const ShardOptions& options, const ShardRanks& ranks = {},
                         const std::function<void(std::uint64_t, std::uint64_t)>& progress = {}, WhereBusy where_busy = WhereBusy::refuse);

// The same of files of text.
ShardReport write_shards(const std::vector<fs::path>& sources, const fs::path& out, const RowEncoder& encoder, const ShardOptions& options,
                         const ShardRanks& ranks = {}, const std::function<void(std::uint64_t, std::uint64_t)>& progress = {},
                         WhereBusy where_busy = WhereBusy::refuse);

// XXH3 of all that decides the shards' content but the sources.
std::string options_fingerprint(const ShardOptions& options, const RowEncoder* encoder);

// Runs `work` on every rank; where it throws on any, all throw: that rank its own error, the others the same text.
// Gives the ranks' results in rank order.
std::vector<std::string> together(const ShardRanks& ranks, const std::function<std::string()>& work);

}  // namespace thaw
