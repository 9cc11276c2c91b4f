#include "framework/base/yaml.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "framework/base/error.h"
#include "framework/base/yaml_parse.h"

namespace thaw {
namespace {

using Kind = YamlNode::Kind;

std::string describe(const YamlNode* node) {
  if (node == nullptr || node->kind == Kind::null) return "nothing";
  if (node->kind == Kind::list) return fmt::format("a list of {}", node->items.size());
  if (node->kind == Kind::map) return fmt::format("a section of {} keys", node->items.size());
  std::string text = node->text;
  if (text.size() > 60) {
    std::size_t end = 57;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
    text = text.substr(0, end) + "...";
  }
  return node->plain ? text : "\"" + text + "\"";
}

std::string join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

bool digits_only(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Decimal numbers that every YAML version reads alike: no underscores, no leading zeros (octal in YAML 1.1), no 0x, no 1:30.
bool decimal(std::string_view text, double& value) {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  if (text.empty() || !((text[0] >= '0' && text[0] <= '9') || (text[0] == '.' && text.size() > 1))) return false;
  if (text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::general);
  if (error == std::errc::result_out_of_range) value = HUGE_VAL;
  return (error == std::errc() || error == std::errc::result_out_of_range) && end == text.data() + text.size();
}

// Why a text that looks like a number is none here, as a remedy to append.
std::string number_remedy(const YamlNode* node) {
  if (node == nullptr || node->kind != Kind::scalar) return "";
  std::string bare = node->text;
  double value = 0;
  if (!node->plain) return decimal(bare, value) ? fmt::format("; write {} without quotes", bare) : "";
  std::erase(bare, '_');
  if (bare.size() != node->text.size() && decimal(bare, value)) return fmt::format("; write {} without underscores", bare);
  const std::size_t first = bare.find_first_not_of('0');
  if (digits_only(bare)) return fmt::format("; write {} without leading zeros", first == std::string::npos ? "0" : bare.substr(first));
  return "";
}

}  // namespace

YamlNode& YamlNode::add(std::string entry_key, YamlNode value) {
  value.key = std::move(entry_key);
  return items.emplace_back(std::move(value));
}

const YamlNode* YamlNode::find(std::string_view entry_key) const {
  if (kind != Kind::map) return nullptr;
  const auto found = std::find_if(items.begin(), items.end(), [&](const YamlNode& item) { return item.key == entry_key; });
  return found == items.end() ? nullptr : &*found;
}

YamlView YamlView::operator[](std::string_view key) const {
  std::string path = join(path_, key);
  if (document_->known_set_.insert(path).second) document_->known_.push_back(path);
  if (null()) return {*document_, nullptr, std::move(path)};
  if (node_->kind != Kind::map) fail("a section of keys");
  const YamlNode* const found = node_->find(key);
  if (found != nullptr) document_->asked_.insert(found);
  return {*document_, found, std::move(path)};
}

std::vector<YamlView> YamlView::items() const {
  if (!is(Kind::list)) fail("a list");
  std::vector<YamlView> views;
  for (std::size_t i = 0; i < node_->items.size(); ++i) views.emplace_back(*document_, &node_->items[i], fmt::format("{}[{}]", path_, i));
  return views;
}

std::vector<std::pair<std::string, YamlView>> YamlView::entries() const {
  if (!is(Kind::map)) fail("a section of keys");
  std::vector<std::pair<std::string, YamlView>> views;
  for (const YamlNode& item : node_->items) {
    document_->asked_.insert(&item);
    views.emplace_back(item.key, YamlView(*document_, &item, join(path_, item.key)));
  }
  return views;
}

std::string YamlView::text() const {
  if (!is(Kind::scalar)) fail("text");
  return node_->text;
}

double YamlView::finite_number(std::string_view expected) const {
  double value = 0;
  if (!is(Kind::scalar) || !node_->plain || !decimal(node_->text, value))
    refuse(fmt::format("expected {}, found {}{}", expected, describe(node_), number_remedy(node_)));
  if (!std::isfinite(value)) fail(fmt::format("{} that 64 bits can hold", expected));
  return node_->text[0] == '-' ? -value : value;
}

double YamlView::number() const { return finite_number("a number"); }

std::int64_t YamlView::integer() const {
  const double value = finite_number("a whole number");
  if (value != std::floor(value)) fail("a whole number");
  if (std::abs(value) > 9e15) fail("a whole number below 9e15");
  return static_cast<std::int64_t>(value);
}

std::uint64_t YamlView::unsigned_integer() const {
  const double rounded = finite_number("a whole number of 0 or more");
  if (digits_only(node_->text)) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(node_->text.data(), node_->text.data() + node_->text.size(), value);
    if (error != std::errc()) fail("a whole number below 2^64");
    return value;
  }
  if (rounded < 0 || rounded != std::floor(rounded) || rounded > 9e15) fail("a whole number of 0 or more");
  return static_cast<std::uint64_t>(rounded);
}

bool YamlView::boolean() const {
  if (is(Kind::scalar) && node_->plain) {
    for (const char* yes : {"true", "True", "TRUE"})
      if (node_->text == yes) return true;
    for (const char* no : {"false", "False", "FALSE"})
      if (node_->text == no) return false;
  }
  fail("true or false");
}

std::string YamlView::where() const {
  const std::string file = node_ == nullptr   ? document_->name_
                           : node_->line == 0 ? "command line"
                                              : fmt::format("{}:{}", document_->name_, node_->line);
  return path_.empty() ? file : file + ": " + path_;
}

void YamlView::fail(std::string_view expected) const { refuse(fmt::format("expected {}, found {}", expected, describe(node_))); }
void YamlView::refuse(std::string_view reason) const { throw RecipeError("{}: {}", where(), reason); }

YamlDocument::YamlDocument(std::string name, std::string_view text) : name_(std::move(name)), root_(parse_yaml(name_, text)) {
  if (root_.kind == Kind::null) root_ = YamlNode::map();
  if (root_.kind != Kind::map) view().fail("a section of keys, one 'key: value' a line");
}

void YamlDocument::set(std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  const std::string path(assignment.substr(0, equals));
  if (equals == std::string_view::npos || path.empty() || path.front() == '.' || path.back() == '.' || path.find("..") != std::string::npos)
    throw RecipeError(ExitCode::usage, "command line: expected key=value or section.key=value, found \"{}\"", assignment);
  YamlNode value = parse_yaml_value("command line: " + path, assignment.substr(equals + 1));
  YamlNode* node = &root_;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t dot = std::min(path.find('.', start), path.size());
    const std::string key = path.substr(start, dot - start);
    if (node->kind == Kind::null) node->kind = Kind::map;
    if (node->kind != Kind::map)
      throw RecipeError("command line: {}: {} holds {}, which has no keys; set {} whole", path, path.substr(0, start - 1), describe(node),
                        path.substr(0, start - 1));
    const YamlNode* const found = node->find(key);
    node = found != nullptr ? const_cast<YamlNode*>(found) : &node->add(key, {});
    start = dot + 1;
  }
  std::string key = std::move(node->key);
  *node = std::move(value);
  node->key = std::move(key);
}

YamlView YamlDocument::at(std::string_view path) const {
  const YamlNode* node = &root_;
  for (std::size_t start = 0; node != nullptr && start <= path.size();) {
    const std::size_t dot = std::min(path.find('.', start), path.size());
    const std::string_view step = path.substr(start, dot - start), name = step.substr(0, step.find('['));
    node = node->find(name);
    if (name.size() < step.size() && node != nullptr) {  // phases[2]
      std::size_t index = 0;
      std::from_chars(step.data() + name.size() + 1, step.data() + step.size(), index);
      node = index < node->items.size() ? &node->items[index] : nullptr;
    }
    start = dot + 1;
  }
  return {*this, node, std::string(path)};
}

std::vector<YamlView> YamlDocument::unknown() const {
  std::vector<YamlView> found;
  collect_unknown(root_, "", found);
  return found;
}

void YamlDocument::collect_unknown(const YamlNode& node, const std::string& path, std::vector<YamlView>& found) const {
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const YamlNode& item = node.items[i];
    const std::string item_path = node.kind == Kind::map ? join(path, item.key) : fmt::format("{}[{}]", path, i);
    if (node.kind == Kind::map && !asked_.contains(&item)) found.emplace_back(*this, &item, item_path);
    else collect_unknown(item, item_path, found);
  }
}

}  // namespace thaw
