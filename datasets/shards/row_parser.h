// From a file's bytes to the wanted cells of a row: one implementation for delimited text, one for JSONL.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/shards/reader.h"
#include "framework/base/error.h"

namespace thaw {

// What a column is for, in the order of ReadOptions.
enum Use : std::size_t { use_text, use_pair, use_label, use_weight, use_group, use_id, use_split, uses };
inline constexpr std::array<const char*, uses> use_names{"text", "text_pair", "label", "weight", "group", "id", "split"};
std::array<std::string, uses> wanted_columns(const ReadOptions& options);  // "" where not wanted

// "; if 'wav' names recordings, …", for the refusal of a row that lacks a wanted name; "" where none of these usually names them.
std::string hint_at_speech(const std::vector<std::string>& names);

// A row that says something wrong, so that the reader can skip it, or name its place.
class BadRow : public DataError {
 public:
  using DataError::DataError;
};

struct RawRow {
  std::uint64_t line = 0;
  std::array<std::optional<std::string_view>, uses> cells;  // valid until the next row; empty where there is nothing
  std::optional<std::vector<std::string_view>> several;     // labels of a JSON array
  bool repaired = false;
};

class RowParser {
 public:
  virtual ~RowParser() = default;
  virtual bool next(RawRow& row) = 0;  // may throw BadRow, after which it goes on with the next row; row.line is set
  virtual HeaderFound header() const { return {}; }
};

std::unique_ptr<RowParser> make_delimited_parser(const SourceText& source, const ReadOptions& options, SourceFormat format);
std::unique_ptr<RowParser> make_jsonl_parser(const SourceText& source, const ReadOptions& options);

}  // namespace thaw
