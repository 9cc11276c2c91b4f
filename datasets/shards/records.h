// Delimited text cut into records and cells, without copying where nothing is quoted.
// CSV is RFC 4180: quoted cells with line breaks and doubled quotes, CRLF, CR or LF. A quote inside an unquoted cell stands
// for itself, as in Python's csv. TSV has no quotes: a cell is what stands between tabs. Empty lines are no records.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

class Records {
 public:
  // A byte order mark at the start is left out. `name` is for errors; `text` must outlive the views.
  Records(std::string name, std::string_view text, char delimiter, bool quotes);

  // The cells of the next record, valid until the next call; false at the end.
  // DataError where a quote is never closed, or text follows a closing one.
  bool next(std::vector<std::string_view>& cells);
  std::uint64_t line() const { return record_line_; }  // where the last record began, from 1

 private:
  std::string_view plain_cell();
  std::string_view quoted_cell();
  bool at_line_end() const { return at_ == text_.size() || text_[at_] == '\n' || (quotes_ && text_[at_] == '\r'); }
  void pass_line_end();

  std::string name_;
  std::string_view text_;
  char delimiter_;
  bool quotes_;
  std::size_t at_ = 0;
  std::uint64_t line_ = 1, record_line_ = 0;
  std::list<std::string> unquoted_;  // cells of this record that had doubled quotes
};

}  // namespace thaw
