// Where the rows of shards come from: files of text (text_rows.h), corpora of speech (datasets/speech/speech_rows.h).
// Every rank has its own, and all see the same rows in the same order. Rows that need much work, such as audio that must be
// decoded, are completed on the rank whose shard they are in.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "datasets/shards/index.h"
#include "datasets/shards/row.h"
#include "datasets/shards/split.h"

namespace thaw {

class RowSource {
 public:
  virtual ~RowSource() = default;

  // The first half of the index: name, label kind, columns, sources (their rows are counted later), and what was left out
  // before any row was completed.
  virtual ShardIndex describe() const = 0;
  virtual Scan scan() = 0;                   // every row, once: splits, labels, counts
  virtual std::string identity() const = 0;  // of all that decides the rows, but for tokenizer and ShardOptions
  // The same of what lies beside the sources, which costs much to find out; asked of rank 0 alone.
  virtual std::string identity_of_files() const { return ""; }
  virtual std::string times_of_files() const { return ""; }  // for the cache alone: where and when the same names and sizes were written

  virtual void rewind() = 0;
  virtual bool next(Row& row) = 0;  // false at the end
  // Adds what next() spared itself; or says why the row is left out.
  virtual std::optional<LeftOut> complete(Row& row) { return static_cast<void>(row), std::nullopt; }
  // Throws where too much was left out, before the directories are finished. All ranks are asked.
  virtual void judge(const std::vector<ShardIndex>& directories) const { static_cast<void>(directories); }
};

}  // namespace thaw
