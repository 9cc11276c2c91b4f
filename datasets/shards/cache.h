// A recipe's data, whatever it names: a directory of shards as it is, or a source file, sharded once into a cache.
#pragma once

#include "datasets/shards/options.h"
#include "datasets/shards/row_source.h"
#include "framework/base/file.h"

namespace thaw {

// The directory of shards for `source`. Collective.
//   A directory: returned as it is, once its tokenizer, kind of labels and length are seen to be those asked for; else a
//     DataError with the remedy.
//   A file: cache_dir/KEY, KEY = XXH3 of the content, the tokenizer's fingerprint and the options. Where it is not there whole, the
//     ranks shard it together. Of jobs that start together one does, and the others wait; what a dead job left is taken over at
//     once, and goes a day later where nobody did.
fs::path ensure_sharded(const fs::path& source, const RowEncoder& encoder, const ShardOptions& options, const fs::path& cache_dir,
                        const ShardRanks& ranks = {});

// The same of rows of any source, told apart by its identity and that of its files.
fs::path ensure_sharded(const std::function<std::unique_ptr<RowSource>()>& open, const RowEncoder* encoder, const ShardOptions& options,
                        const fs::path& cache_dir, const ShardRanks& ranks = {});

// data.cache_dir where the recipe has none: $XDG_CACHE_HOME/thaw, else ~/.cache/thaw.
fs::path usual_cache_dir();

}  // namespace thaw
