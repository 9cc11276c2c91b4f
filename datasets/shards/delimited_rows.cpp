#include <algorithm>

#include "datasets/shards/records.h"
#include "datasets/shards/row_parser.h"

namespace thaw {
namespace {

std::optional<std::size_t> column_number(const std::string& column) {
  if (column.empty() || column.size() > 4 || !std::all_of(column.begin(), column.end(), [](char c) { return c >= '0' && c <= '9'; })) return {};
  return static_cast<std::size_t>(std::stoul(column));
}

class DelimitedRows final : public RowParser {
 public:
  DelimitedRows(const SourceText& source, const ReadOptions& options, SourceFormat format)
      : name_(source.name()), csv_(format == SourceFormat::csv),
        records_(name_, source.text(), options.delimiter != 0 ? options.delimiter : csv_ ? ',' : '\t', csv_) {
    // The first record is a header, or the first row: it is kept for `next`.
    if (records_.next(cells_)) find_columns(options);
  }

  bool next(RawRow& row) override {
    if (!first_is_row_ && !records_.next(cells_)) return false;
    first_is_row_ = false;
    row.line = records_.line();
    if (cells_.size() != width_)
      throw BadRow("expected {} columns, found {}: {}", width_, cells_.size(),
                   csv_ ? "put quotes round a cell that has commas or line breaks in it" : "a text must have no tabs in it; CSV can hold them");
    for (std::size_t use = 0; use < uses; ++use)
      if (places_[use]) row.cells[use] = cells_[*places_[use]];
    return true;
  }

  bool guessed_no_header() const override { return guessed_; }

 private:
  [[noreturn]] void missing(const std::string& column, std::size_t use, const std::vector<std::string>& names) const {
    throw DataError("{}:{}: expected a column '{}' ({}), found the columns {}: name the right one, or give its number from 0", name_,
                    records_.line(), column, use_names[use], fmt::join(names, ", "));
  }

  void find_columns(const ReadOptions& options) {
    const auto wanted = wanted_columns(options);
    std::vector<std::string> names(cells_.begin(), cells_.end());
    width_ = names.size();
    std::size_t named = 0, found = 0;
    for (const std::string& column : wanted) {
      if (column.empty() || column_number(column)) continue;
      ++named;
      found += std::find(names.begin(), names.end(), column) != names.end() ? 1 : 0;
    }
    const bool header = options.header == Header::yes || (options.header == Header::automatic && found > 0);
    if (!header) {
      first_is_row_ = true;
      names = options.columns;
      if (!names.empty() && names.size() != width_)
        throw DataError("{}:{}: {} columns were named ({}), found {}", name_, records_.line(), names.size(), fmt::join(names, ", "), width_);
      guessed_ = named > 0 && names.empty() && options.header == Header::automatic;
      if (named > 0 && names.empty()) names = usual_names(wanted);
    }
    for (std::size_t use = 0; use < uses; ++use) {
      if (wanted[use].empty()) continue;
      const auto place = std::find(names.begin(), names.end(), wanted[use]);
      const auto number = column_number(wanted[use]);
      if (place != names.end()) places_[use] = static_cast<std::size_t>(place - names.begin());
      else if (number && *number < width_) places_[use] = *number;
      else missing(wanted[use], use, names.empty() ? std::vector<std::string>{fmt::format("0 to {}", width_ - 1)} : names);
    }
  }

  // Of a file without header: text, pair, label, where it has just as many columns as are wanted.
  std::vector<std::string> usual_names(const std::array<std::string, uses>& wanted) const {
    std::vector<std::string> names;
    for (std::size_t use = 0; use < uses; ++use)
      if (!wanted[use].empty() && (use <= use_label || !column_number(wanted[use]))) names.push_back(wanted[use]);
    if (names.size() == width_ && std::all_of(wanted.begin() + use_weight, wanted.end(), [](const std::string& w) { return w.empty(); })) return names;
    throw DataError("{}:{}: the first line names none of the wanted columns ({}) and has {} cells: give it a header, or say which column is which",
                    name_, records_.line(), fmt::join(names, ", "), width_);
  }

  std::string name_;
  bool csv_;
  Records records_;
  std::vector<std::string_view> cells_;
  std::array<std::optional<std::size_t>, uses> places_;
  std::size_t width_ = 0;
  bool first_is_row_ = false, guessed_ = false;
};

}  // namespace

std::unique_ptr<RowParser> make_delimited_parser(const SourceText& source, const ReadOptions& options, SourceFormat format) {
  return std::make_unique<DelimitedRows>(source, options, format);
}

}  // namespace thaw
