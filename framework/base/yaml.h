// YAML read from outside, viewed with file, line and key path in mind: "recipe.yaml:12: optimizer.lr: expected …, found …".
// The document knows which keys were asked for, so that keys nobody knows can be named. Duplicate keys, tags, several
// documents, alias bombs and text that is not UTF-8 are refused. Every error is a RecipeError.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thaw {

// A value as parsed, or as made to be written. Map entries keep their order; merge keys ("<<") are resolved.
struct YamlNode {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  std::string text;             // of a scalar
  bool plain = true;            // a scalar without quotes: may be a number or a boolean, not only text
  std::string key;              // where it is an entry of a map
  int line = 0;                 // 1-based; 0: from the command line
  std::vector<YamlNode> items;  // of a list or map

  static YamlNode scalar(std::string text, bool plain) { return {Kind::scalar, std::move(text), plain, {}, 0, {}}; }
  static YamlNode list() { return {Kind::list, {}, true, {}, 0, {}}; }
  static YamlNode map() { return {Kind::map, {}, true, {}, 0, {}}; }
  YamlNode& add(std::string entry_key, YamlNode value);  // to a map; gives the entry
  const YamlNode* find(std::string_view entry_key) const;
};

// Block style down to the last level, text quoted wherever any YAML 1.1 or 1.2 parser could take it for something else.
std::string write_yaml(const YamlNode& root);
std::string write_yaml_inline(const YamlNode& node);  // on one line
YamlNode yaml_text(std::string_view text);            // a scalar that reads back as this text everywhere
YamlNode yaml_number(double value);                   // shortest digits that read back the same, as a float to every parser: 2.0e-05

class YamlDocument;

// A value of a document, or the absence of one, and the path that leads there. The document must outlive it.
class YamlView {
 public:
  YamlView(const YamlDocument& document, const YamlNode* node, std::string path)
      : document_(&document), node_(node), path_(std::move(path)) {}

  bool given() const { return node_ != nullptr; }
  bool null() const { return node_ == nullptr || node_->kind == YamlNode::Kind::null; }
  bool is(YamlNode::Kind kind) const { return node_ != nullptr && node_->kind == kind; }
  bool from_command_line() const { return node_ != nullptr && node_->line == 0; }
  const std::string& path() const { return path_; }

  YamlView operator[](std::string_view key) const;                // of a map or of nothing; the key counts as known from now on
  std::vector<YamlView> items() const;                            // of a list
  std::vector<std::pair<std::string, YamlView>> entries() const;  // of a map with free keys, all of which count as known

  std::string text() const;      // any scalar, as written
  std::int64_t integer() const;  // whole numbers, also written 2.0 or 1e3
  std::uint64_t unsigned_integer() const;
  double number() const;  // finite
  bool boolean() const;   // true or false

  std::string where() const;                                // "recipe.yaml:12: optimizer.lr"
  [[noreturn]] void fail(std::string_view expected) const;  // "…: expected …, found …"
  [[noreturn]] void refuse(std::string_view reason) const;  // "…: reason"

 private:
  double finite_number(std::string_view expected) const;
  const YamlDocument* document_;
  const YamlNode* node_;
  std::string path_;
};

class YamlDocument {
 public:
  YamlDocument(std::string name, std::string_view text);
  YamlDocument(const YamlDocument&) = delete;
  YamlDocument& operator=(const YamlDocument&) = delete;

  // "key.sub=value" from the command line; the value is YAML. Makes the maps on the way. Before any view is taken.
  void set(std::string_view assignment);

  YamlView view() const { return {*this, &root_, ""}; }
  YamlView at(std::string_view path) const;  // by path (data.train[0].path), without making its keys known
  const std::string& name() const { return name_; }
  const std::vector<std::string>& known_keys() const { return known_; }  // every path asked for, in order
  std::vector<YamlView> unknown() const;                                 // entries of maps that were looked into, never asked for

 private:
  friend class YamlView;
  void collect_unknown(const YamlNode& node, const std::string& path, std::vector<YamlView>& found) const;
  std::string name_;
  YamlNode root_;
  mutable std::vector<std::string> known_;
  mutable std::set<std::string, std::less<>> known_set_;
  mutable std::set<const YamlNode*> asked_;
};

}  // namespace thaw
