#include "framework/base/yaml_parse.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_map>

#include "framework/base/error.h"

namespace thaw {
namespace {

constexpr std::size_t max_bytes = 1 << 20, max_nodes = 100'000, max_depth = 64, max_key_bytes = 500;

// Builds the tree from events. A frame is a list or map whose end has not come yet.
class Builder : public YAML::EventHandler {
 public:
  Builder(std::string name, bool has_lines) : name_(std::move(name)), has_lines_(has_lines) {}

  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) fail(line_of(mark), "a second document begins here; expected one ('---' only at the top)");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { finish(make(YamlNode::Kind::null, mark), anchor); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(line_of(mark), "this alias stands inside what it refers to");
    count(found->second.second, mark);
    finish(found->second.first, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    if (tag != "?" && tag != "!" && tag != "" && tag != "tag:yaml.org,2002:str") refuse_tag(mark, tag);
    YamlNode node = make(YamlNode::Kind::scalar, mark);
    if (value.find('\0') != std::string::npos) fail(node.line, "a zero byte inside text");
    node.text = value;
    node.plain = tag == "?" || tag == "";
    finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    if (tag != "?" && tag != "!" && tag != "" && tag != "tag:yaml.org,2002:seq") refuse_tag(mark, tag);
    open(make(YamlNode::Kind::list, mark), anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    if (tag != "?" && tag != "!" && tag != "" && tag != "tag:yaml.org,2002:map") refuse_tag(mark, tag);
    open(make(YamlNode::Kind::map, mark), anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::size_t nodes_before = 0;
    bool has_key = false;  // a map whose next value belongs to `key`
    bool merging = false;  // … which is an unquoted "<<"
    std::string key;
    int key_line = 0;
    std::unordered_map<std::string, int> keys;  // of this map so far, and their lines: there may be a hundred thousand
    std::vector<YamlNode> merges;               // values of "<<", first wins
    int merge_line = 0;
  };

  int line_of(const YAML::Mark& mark) const { return has_lines_ ? mark.line + 1 : 0; }

  YamlNode make(YamlNode::Kind kind, const YAML::Mark& mark) {
    count(1, mark);
    YamlNode node;
    node.kind = kind;
    node.line = line_of(mark);
    return node;
  }

  void count(std::size_t more, const YAML::Mark& mark) {
    nodes_ += more;
    if (nodes_ > max_nodes) fail(line_of(mark), fmt::format("more than {} values, aliases counted in full: not a recipe", max_nodes));
  }

  void open(YamlNode node, YAML::anchor_t anchor) {
    if (stack_.size() >= max_depth) fail(node.line, fmt::format("nested deeper than {} levels", max_depth));
    if (!stack_.empty() && stack_.back().node.kind == YamlNode::Kind::map && !stack_.back().has_key) fail(node.line, "a key must be text");
    stack_.push_back({std::move(node), anchor, nodes_ - 1, false, false, {}, 0, {}, {}, 0});
  }

  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    for (YamlNode& source : frame.merges)
      for (YamlNode& entry : source.items)
        if (frame.keys.emplace(entry.key, entry.line).second) frame.node.items.push_back(entry);
    nodes_in_last_ = nodes_ - frame.nodes_before;
    finish(std::move(frame.node), frame.anchor);
  }

  void finish(YamlNode node, YAML::anchor_t anchor) {
    const std::size_t nodes = node.items.empty() ? 1 : nodes_in_last_;
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (anchor != 0) anchors_[anchor] = {node, nodes};
    if (frame.node.kind == YamlNode::Kind::list) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      take_key(frame, node);
    } else {
      frame.has_key = false;
      if (frame.merging) {
        add_merge(frame, std::move(node));
        return;
      }
      node.line = frame.key_line;  // a value is where its key is
      frame.node.add(std::move(frame.key), std::move(node));
    }
  }

  void take_key(Frame& frame, const YamlNode& node) {
    if (node.kind != YamlNode::Kind::scalar) fail(node.line, "a key must be text; quote it where it is 'null' or empty");
    if (node.text.size() > max_key_bytes)
      fail(node.line, fmt::format("a key of {} bytes; expected at most {}", node.text.size(), max_key_bytes));
    const bool merge = node.plain && node.text == "<<";
    const auto before = frame.keys.find(node.text);
    if (before != frame.keys.end() || (merge && frame.merge_line != 0)) {
      const std::string path = path_to(node.text);
      if (!has_lines_) fail(0, fmt::format("{} is given twice", path));
      fail(node.line, fmt::format("{}: given twice, first on line {}; keep one", path, merge ? frame.merge_line : before->second));
    }
    if (!merge) frame.keys.emplace(node.text, node.line);
    if (merge) frame.merge_line = node.line == 0 ? 1 : node.line;
    frame.has_key = true;
    frame.merging = merge;
    frame.key = node.text;
    frame.key_line = node.line;
  }

  void add_merge(Frame& frame, YamlNode node) {
    std::vector<YamlNode> sources;
    if (node.kind == YamlNode::Kind::list) sources = std::move(node.items);
    else sources.push_back(std::move(node));
    for (YamlNode& source : sources) {
      if (source.kind != YamlNode::Kind::map)
        fail(frame.key_line, "'<<' merges sections of keys: expected an alias of one, or a list of them");
      frame.merges.push_back(std::move(source));
    }
  }

  std::string path_to(const std::string& key) const {
    std::string path;
    for (std::size_t i = 0; i + 1 < stack_.size(); ++i)
      path += stack_[i].has_key ? stack_[i].key + "." : fmt::format("[{}].", stack_[i].node.items.size());
    for (std::size_t at = path.find(".["); at != std::string::npos; at = path.find(".[")) path.erase(at, 1);
    return path + key;
  }

  [[noreturn]] void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    fail(line_of(mark), fmt::format("the tag {}: tags have no meaning in a recipe; quote the text where it begins with '!'", tag));
  }
  [[noreturn]] void fail(int line, const std::string& reason) {
    if (line == 0) throw RecipeError("{}: {}", name_, reason);
    throw RecipeError("{}:{}: {}", name_, line, reason);
  }

  std::string name_;
  bool has_lines_;
  YamlNode root_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, std::pair<YamlNode, std::size_t>> anchors_;  // with the number of nodes inside
  std::size_t nodes_ = 0, nodes_in_last_ = 1;
  int documents_ = 0;
};

// yaml-cpp replaces what is not UTF-8, and takes 0x04 for the end of the text: both would change a recipe silently.
void refuse_odd_bytes(const std::string& name, std::string_view text, bool has_lines) {
  if (text.size() > max_bytes) throw RecipeError("{}: {} bytes; expected at most {}: not a recipe", name, text.size(), max_bytes);
  int line = 1;
  for (std::size_t at = 0; at < text.size();) {
    const std::int32_t point = next_code_point(text, at);
    const bool control = point >= 0 && ((point < 0x20 && point != '\t' && point != '\n' && point != '\r') || point == 0x7F);
    if (point < 0 || control) {
      const std::string what = point < 0 ? "bytes that are not UTF-8; save the file as UTF-8"
                                         : fmt::format("the control character 0x{:02x}; write it as \"\\x{:02x}\"", point, point);
      if (has_lines) throw RecipeError("{}:{}: {}", name, line, what);
      throw RecipeError("{}: {}", name, what);
    }
    line += point == '\n';
  }
}

YamlNode parse(const std::string& name, std::string_view text, bool has_lines) {
  refuse_odd_bytes(name, text, has_lines);
  Builder builder(name, has_lines);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    if (has_lines && !error.mark.is_null()) throw RecipeError("{}:{}: not valid YAML: {}", name, error.mark.line + 1, error.msg);
    throw RecipeError("{}: not valid YAML: {}; quote the value", name, error.msg);
  }
  return builder.take();
}

}  // namespace

YamlNode parse_yaml(const std::string& name, std::string_view text) { return parse(name, text, true); }
YamlNode parse_yaml_value(const std::string& where, std::string_view text) { return parse(where, text, false); }

std::int32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at++);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 && first < 0xF5 ? 3 : first >= 0xE0 && first < 0xF0 ? 2 : first >= 0xC2 && first < 0xE0 ? 1 : 0;
  if (more == 0 || at + static_cast<std::size_t>(more) > text.size()) return -1;
  std::int32_t point = first & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    if ((byte(at + static_cast<std::size_t>(i)) & 0xC0) != 0x80) return -1;
    point = (point << 6) | (byte(at + static_cast<std::size_t>(i)) & 0x3F);
  }
  const std::int32_t least = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
  if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return -1;
  at += static_cast<std::size_t>(more);
  return point;
}

}  // namespace thaw
