// Rows of TSV, CSV and JSONL files, one after another, in constant memory.
// Errors are DataErrors "FILE:LINE: row N: …" with the remedy. Bytes that are not UTF-8 become U+FFFD and are counted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/shards/row.h"
#include "datasets/shards/source_text.h"

namespace thaw {

enum class SourceFormat { by_name, tsv, csv, jsonl };  // by_name: .tsv .txt .tab, .csv, .jsonl .ndjson .json; "-": TSV
enum class Header { automatic, yes, no };              // automatic: the first line names the wanted columns

struct ReadOptions {
  SourceFormat format = SourceFormat::by_name;
  char delimiter = 0;  // 0: a tab for TSV, a comma for CSV
  Header header = Header::automatic;
  // Names of a file's columns where it has no header. Where neither says, a file of as many columns as are wanted is
  // read as text, pair, label, in this order.
  std::vector<std::string> columns;
  // Columns by name, or by number from 0 (not in JSONL). Empty: not wanted. Dots do not lead into JSON objects.
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

class RowParser;

class RowReader {
 public:
  RowReader(std::shared_ptr<const SourceText> source, ReadOptions options);
  RowReader(const fs::path& path, ReadOptions options) : RowReader(std::make_shared<SourceText>(path), std::move(options)) {}
  ~RowReader();
  bool next(Row& row);                            // false at the end; a file without any row is a DataError
  const ReadCounts& counts() const { return counts_; }
  bool guessed_no_header() const;                 // nothing said so but a first line without the wanted names

 private:
  bool read(Row& row);

  std::shared_ptr<const SourceText> source_;
  ReadOptions options_;
  std::unique_ptr<RowParser> parser_;
  ReadCounts counts_;
};

}  // namespace thaw
