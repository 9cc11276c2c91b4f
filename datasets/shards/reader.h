// Rows of TSV, CSV and JSONL files, one after another, in constant memory.
// Errors are DataErrors "FILE:LINE: row N: …" with the remedy. Bytes that are not UTF-8 become U+FFFD and are counted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "datasets/shards/row.h"
#include "datasets/shards/source_format.h"
#include "datasets/shards/source_text.h"

namespace thaw {

struct ReadOptions {
  SourceFormat format = SourceFormat::by_name;
  char delimiter = 0;  // 0: a tab for TSV, a comma for CSV
  Header header = Header::automatic;
  // Columns by name, or by number from 0 (not in JSONL). Empty: not wanted. Dots do not lead into JSON objects.
  // A file without header that has just as many columns as are wanted is read as text, pair, label, in this order.
  std::string text = "text", pair, label = "label", weight, group, id, split;
  LabelKind label_kind = LabelKind::one;  // `none`: the label column is not looked for
  std::string separator = ",";            // between several labels in one cell; JSONL may have an array
  std::vector<std::string> label_names;   // the labels there may be; empty: any
  bool skip_bad_rows = false;             // count them, and go on
};

struct ReadCounts {
  std::uint64_t rows = 0, skipped = 0, repaired = 0;  // repaired: rows with bytes that were not UTF-8
};

// Any of by_name's formats for a path; a DataError names the endings that are known.
SourceFormat format_of(const fs::path& path, SourceFormat format);

// What was found of a header.
struct HeaderFound {
  bool there = false;
  bool assumed_absent = false;  // nothing said so but a first line without the wanted names
  std::string by_position;      // "no header; column 0 is the text, column 1 the label", where names had no header to stand in
};

class RowParser;

class RowReader {
 public:
  RowReader(std::shared_ptr<const SourceText> source, ReadOptions options);
  RowReader(const fs::path& path, ReadOptions options) : RowReader(std::make_shared<SourceText>(path), std::move(options)) {}
  ~RowReader();
  bool next(Row& row);  // false at the end; a file without any row is a DataError
  const ReadCounts& counts() const { return counts_; }
  HeaderFound header() const;

 private:
  bool read(Row& row);

  std::shared_ptr<const SourceText> source_;
  ReadOptions options_;
  std::unordered_set<std::string> known_labels_;
  std::unique_ptr<RowParser> parser_;
  ReadCounts counts_;
};

}  // namespace thaw
