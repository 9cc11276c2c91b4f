#include <algorithm>

#include "datasets/shards/records.h"
#include "datasets/shards/row_parser.h"
#include "framework/base/text.h"

namespace thaw {
namespace {

std::optional<std::size_t> column_number(const std::string& column) {
  if (column.empty() || column.size() > 4 || !std::all_of(column.begin(), column.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return {};
  return static_cast<std::size_t>(std::stoul(column));
}

class DelimitedRows final : public RowParser {
 public:
  DelimitedRows(const SourceText& source, const ReadOptions& options, SourceFormat format)
      : name_(source.name()),
        csv_(format == SourceFormat::csv),
        records_(name_, source.text(),
                 options.delimiter != 0 ? options.delimiter
                 : csv_                 ? ','
                                        : '\t',
                 csv_) {
    // The first record is a header, or the first row: it is kept for `next`.
    if (records_.next(cells_)) find_columns(options);
  }

  bool next(RawRow& row) override {
    if (!first_is_row_ && !records_.next(cells_)) return false;
    first_is_row_ = false;
    row.line = records_.line();
    if (cells_.size() != width_)
      throw BadRow("expected {} columns, found {}: {}", width_, cells_.size(),
                   csv_ ? "put quotes round a cell that has the delimiter or a line break in it"
                        : "no cell may have the delimiter in it; CSV's can");
    for (std::size_t use = 0; use < uses; ++use)
      if (places_[use]) row.cells[use] = cells_[*places_[use]];
    return true;
  }

  HeaderFound header() const override { return header_; }

 private:
  using Columns = std::array<std::string, uses>;

  [[noreturn]] void missing(const std::string& column, std::size_t use, const std::vector<std::string>& found) const {
    throw DataError("{}:{}: expected a column '{}' ({}), found the columns {}: name the right one, or give its number from 0{}", name_,
                    records_.line(), column, use_names[use], listed(found), hint_at_speech(found));
  }

  void find_columns(const ReadOptions& options) {
    const Columns wanted = wanted_columns(options);
    const std::vector<std::string> cells(cells_.begin(), cells_.end());
    width_ = cells.size();
    if (options.header != Header::no) refuse_other_case(wanted, cells);
    header_.there = options.header == Header::yes || (options.header == Header::automatic && names_columns(wanted, cells));
    header_.assumed_absent = options.header == Header::automatic && !header_.there;
    first_is_row_ = !header_.there;
    const bool by_number =
        std::all_of(wanted.begin(), wanted.end(), [](const std::string& column) { return column.empty() || column_number(column); });
    if (!header_.there && !by_number) return take_by_position(wanted);
    for (std::size_t use = 0; use < uses; ++use) {
      if (wanted[use].empty()) continue;
      const auto place = header_.there ? std::find(cells.begin(), cells.end(), wanted[use]) : cells.end();
      const auto number = column_number(wanted[use]);
      if (place != cells.end()) places_[use] = static_cast<std::size_t>(place - cells.begin());
      else if (number && *number < width_) places_[use] = *number;
      else missing(wanted[use], use, header_.there ? cells : std::vector<std::string>{fmt::format("0 to {}", width_ - 1)});
      if (place != cells.end() && std::find(place + 1, cells.end(), wanted[use]) != cells.end())
        throw DataError("{}:{}: the column '{}' ({}) stands in the header twice: rename one, or give the right one's number from 0", name_,
                        records_.line(), wanted[use], use_names[use]);
    }
  }

  // A line that names a wanted column; one that is wanted by its number is named where all the others are too, since labels
  // may be numbers as well.
  static bool names_columns(const Columns& wanted, const std::vector<std::string>& cells) {
    bool any_name = false, all = true;
    for (const std::string& column : wanted) {
      if (column.empty()) continue;
      const bool found = std::find(cells.begin(), cells.end(), column) != cells.end();
      any_name |= found && !column_number(column);
      all &= found;
    }
    return any_name || all;
  }

  // "Text" where "text" is wanted: a header that was nearly missed, and would have become a row.
  void refuse_other_case(const Columns& wanted, const std::vector<std::string>& cells) const {
    const auto folded = [](std::string_view cell) {
      std::string lower(trim(cell));
      std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      return lower;
    };
    for (std::size_t use = 0; use < uses; ++use) {
      if (wanted[use].empty() || std::find(cells.begin(), cells.end(), wanted[use]) != cells.end()) continue;
      for (const std::string& cell : cells)
        if (folded(cell) == folded(wanted[use]) && !column_number(wanted[use]))
          throw DataError(
              "{}:{}: expected a column '{}' ({}), found '{}': did you mean that? Name it so, or, if this line is a row, say that "
              "the file has no header (--header no, data.header: no)",
              name_, records_.line(), wanted[use], use_names[use], cell);
    }
  }

  // Of a file without header: text, pair, label, where it has just as many columns as are wanted.
  void take_by_position(const Columns& wanted) {
    constexpr std::array said{"the text", "the second text", "the label"};
    header_.by_position = "no header; column";
    std::vector<std::string> names;
    bool fits = std::all_of(wanted.begin() + use_weight, wanted.end(), [](const std::string& column) { return column.empty(); });
    for (std::size_t use = use_text; use <= use_label; ++use) {
      if (wanted[use].empty()) continue;
      fits &= !column_number(wanted[use]);
      header_.by_position +=
          fmt::format("{} {}{} {}", names.empty() ? "" : ", column", names.size(), names.empty() ? " is" : "", said[use]);
      places_[use] = names.size();
      names.push_back(wanted[use]);
    }
    if (fits && names.size() == width_) return;
    throw DataError(
        "{}:{}: the first line names none of the wanted columns ({}) and has {} cells: give it a header, or say the number of each "
        "column, from 0{}",
        name_, records_.line(), listed(names), width_, hint_at_speech({cells_.begin(), cells_.end()}));
  }

  std::string name_;
  bool csv_;
  Records records_;
  std::vector<std::string_view> cells_;
  std::array<std::optional<std::size_t>, uses> places_;
  std::size_t width_ = 0;
  HeaderFound header_;
  bool first_is_row_ = false;
};

}  // namespace

std::unique_ptr<RowParser> make_delimited_parser(const SourceText& source, const ReadOptions& options, SourceFormat format) {
  return std::make_unique<DelimitedRows>(source, options, format);
}

}  // namespace thaw
