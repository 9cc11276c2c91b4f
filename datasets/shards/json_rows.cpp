#include <list>
#include <unordered_set>

#include "datasets/shards/row_parser.h"
#include "datasets/tokenizers/utf8.h"
#include "framework/base/json.h"

namespace thaw {
namespace {

class JsonRows final : public RowParser {
 public:
  JsonRows(const SourceText& source, const ReadOptions& options)
      : text_(source.text()), wanted_(wanted_columns(options)), kind_(options.label_kind) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  bool next(RawRow& row) override {
    std::string_view line;
    do {
      if (at_ >= text_.size()) return false;
      const std::size_t end = std::min(text_.find('\n', at_), text_.size());
      line = text_.substr(at_, end - at_);
      at_ = end + 1;
      ++line_;
    } while (line.find_first_not_of(" \t\r") == std::string_view::npos);
    row.line = line_;
    scratch_.clear();
    row.repaired = !is_utf8(line);
    if (row.repaired) line = scratch_.emplace_back(repair_utf8(line));
    keys_.clear();
    try {
      value_ = Json::parse(line.begin(), line.end(), [&](int depth, Json::parse_event_t event, Json& key) {
        if (event == Json::parse_event_t::key && depth == 1 && !keys_.insert(key.get_ref<const std::string&>()).second)
          throw BadRow("the key '{}' stands there twice: which of the two is meant?", key.get_ref<const std::string&>().substr(0, 60));
        return true;
      });
    } catch (const Json::parse_error& error) {
      const std::string reason = error.what();
      const std::size_t colon = reason.find(": ", reason.find("column"));
      throw BadRow("not valid JSON at byte {}{}: expected one object a line", error.byte,
                   colon == std::string::npos ? "" : reason.substr(colon));
    } catch (const Json::exception& error) {  // a number out of range
      throw BadRow("not valid JSON: {}", error.what());
    }
    if (!value_.is_object()) throw BadRow("expected a JSON object, found {} {}", value_.type_name(), line.substr(0, 40));
    for (std::size_t use = 0; use < uses; ++use)
      if (!wanted_[use].empty()) take(row, static_cast<Use>(use));
    return true;
  }

 private:
  void take(RawRow& row, Use use) {
    const auto found = value_.find(wanted_[use]);
    if (found == value_.end()) {
      std::vector<std::string> keys;
      for (const auto& item : value_.items()) keys.push_back(item.key());
      throw BadRow("expected the key '{}' ({}), found {}: name the right one{}", wanted_[use], use_names[use], listed(keys),
                   hint_at_speech(keys));
    }
    if (found->is_null()) return;
    if (found->is_array() && use == use_label && kind_ != LabelKind::number) {
      row.several.emplace();
      for (const Json& label : *found) row.several->push_back(scalar(label, use));
      return;
    }
    row.cells[use] = scalar(*found, use);
  }

  // Strings as they are; numbers and booleans as JSON writes them.
  std::string_view scalar(const Json& value, Use use) {
    if (value.is_string()) return value.get_ref<const std::string&>();
    const bool text = use == use_text || use == use_pair;
    if (value.is_structured() || value.is_null() || text)
      throw BadRow("key '{}': expected a string{}, found {}", wanted_[use], text ? "" : " or number", value.type_name());
    return scratch_.emplace_back(value.dump());
  }

  std::string_view text_;
  std::array<std::string, uses> wanted_;
  LabelKind kind_;
  Json value_;
  std::unordered_set<std::string> keys_;  // of this row
  std::list<std::string> scratch_;
  std::size_t at_ = 0;
  std::uint64_t line_ = 0;
};

}  // namespace

std::unique_ptr<RowParser> make_jsonl_parser(const SourceText& source, const ReadOptions& options) {
  return std::make_unique<JsonRows>(source, options);
}

}  // namespace thaw
