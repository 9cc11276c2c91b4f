// Which split a row belongs to, and which number its labels have: found in one pass over the sources, the same on all ranks.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "datasets/shards/options.h"

namespace thaw {

// A directory is named after it.
inline constexpr const char* split_name_words = "a name of at most 64 letters, digits, '_', '-' and '.' that names a directory";
bool is_split_name(std::string_view name);

// The labels' order where none is given: sorted as text, or by value where all are integers.
void sort_labels(std::vector<std::string>& names);

// The split of a row by fractions: decided by a hash of its group (or id) and the seed, whatever else is in the file.
std::size_t split_of(const SplitFractions& fractions, const Row& row);

// Rows of several files have ids "FILE:LINE" where no column gives one; of a single file the line alone.
void complete_id(Row& row, std::size_t source, std::size_t sources, const ReadOptions& options);

// What a pass over all sources finds.
struct Scan {
  std::vector<std::string> labels;                      // names by number
  std::vector<std::string> splits;                      // {""} where there are none
  std::map<std::string, std::size_t> split_ids;         // by the split column's text
  std::vector<std::uint64_t> rows;                      // by split
  std::vector<std::vector<std::uint64_t>> source_rows;  // [split][source]
  std::vector<ReadCounts> counts;                       // by source
  std::vector<std::string> notes;                       // what people should know of how the sources were read

  std::size_t split(const ShardOptions& options, const Row& row) const;
  std::string summary() const;  // equal on all ranks that read the same
};

// Counts rows into a Scan, whatever they come from.
class Scanner {
 public:
  Scanner(const ShardOptions& options, std::size_t sources);  // DataError for splits both by fractions and by a column
  void add(const Row& row, const std::string& source_name);   // DataError for a split that is none, or one too many
  const std::map<std::string, std::uint64_t>& label_counts() const { return label_counts_; }
  Scan finish();  // DataError where a split gets no row

  Scan scan;

 private:
  const ShardOptions& options_;
  std::size_t sources_;
  std::map<std::string, std::uint64_t> label_counts_;
};

using Sources = std::vector<std::shared_ptr<const SourceText>>;
Scan scan_sources(const Sources& sources, const ShardOptions& options);

}  // namespace thaw
