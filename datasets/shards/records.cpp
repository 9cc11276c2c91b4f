#include "datasets/shards/records.h"

#include <algorithm>
#include <cstring>

#include "framework/base/error.h"

namespace thaw {
namespace {

// CRLF, CR or LF, as between records.
std::uint64_t line_ends(std::string_view text) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) count += text[i] == '\n' || (text[i] == '\r' && !text.substr(i + 1).starts_with('\n'));
  return count;
}

}  // namespace

Records::Records(std::string name, std::string_view text, char delimiter, bool quotes)
    : name_(std::move(name)), text_(text), delimiter_(delimiter), quotes_(quotes) {
  if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
}

bool Records::next(std::vector<std::string_view>& cells) {
  cells.clear();
  unquoted_.clear();
  while (at_ < text_.size() && (at_line_end() || text_.substr(at_).starts_with("\r\n"))) pass_line_end();
  if (at_ == text_.size()) return false;
  record_line_ = line_;
  while (true) {
    cells.push_back(quotes_ && at_ < text_.size() && text_[at_] == '"' ? quoted_cell() : plain_cell());
    if (at_ < text_.size() && text_[at_] == delimiter_) {
      ++at_;
      continue;
    }
    pass_line_end();
    if (!quotes_ && cells.back().ends_with('\r')) cells.back().remove_suffix(1);
    return true;
  }
}

std::string_view Records::plain_cell() {
  const std::size_t begin = at_;
  while (!at_line_end() && text_[at_] != delimiter_) ++at_;
  return text_.substr(begin, at_ - begin);
}

std::string_view Records::quoted_cell() {
  const std::uint64_t opened = line_;
  std::size_t begin = ++at_;
  std::string* copy = nullptr;
  std::string_view cell;
  while (true) {
    const std::size_t quote = text_.find('"', at_);
    if (quote == std::string_view::npos)
      throw DataError("{}:{}: the quote that opens here is never closed: close it, or double the quotes inside a cell", name_, opened);
    if (quote + 1 < text_.size() && text_[quote + 1] == '"') {
      if (copy == nullptr) copy = &unquoted_.emplace_back();
      copy->append(text_.substr(begin, quote + 1 - begin));
      begin = at_ = quote + 2;
      continue;
    }
    if (copy != nullptr) cell = copy->append(text_.substr(begin, quote - begin));
    else cell = text_.substr(begin, quote - begin);
    line_ += line_ends(cell);
    at_ = quote + 1;
    break;
  }
  if (!at_line_end() && text_[at_] != delimiter_)
    throw DataError("{}:{}: expected '{}' or the end of the line after a closing quote, found '{}': double the quotes inside a cell", name_,
                    line_, delimiter_, text_[at_]);
  return cell;
}

void Records::pass_line_end() {
  if (at_ == text_.size()) return;
  ++line_;
  if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
  ++at_;
}

}  // namespace thaw
