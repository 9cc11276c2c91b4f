// How the parts of a recipe are described: once, as a list of fields, by a function that either walks with a Reader
// (YAML to values, each checked against its range) or with a Writer (values to YAML). Used by recipe.cpp alone.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "framework/base/yaml.h"

namespace thaw::recipe_fields {

using Kind = YamlNode::Kind;

// What a number must be, in words and as a test.
struct Range {
  const char* words;
  bool (*holds)(double);
  bool whole = false;
};
inline constexpr Range positive{"a number above 0", [](double x) { return x > 0; }};
inline constexpr Range not_negative{"a number of 0 or more", [](double x) { return x >= 0; }};
inline constexpr Range ratio{"a number from 0 to 1", [](double x) { return x >= 0 && x <= 1; }};
inline constexpr Range below_one{"a number from 0 to below 1", [](double x) { return x >= 0 && x < 1; }};
inline constexpr Range inside_one{"a number between 0 and 1", [](double x) { return x > 0 && x < 1; }};
inline constexpr Range at_least_one{"a number of 1 or more", [](double x) { return x >= 1; }};
inline constexpr Range count{"a whole number of 1 or more", [](double x) { return x >= 1; }, true};
inline constexpr Range count_or_0{"a whole number of 0 or more", [](double x) { return x >= 0; }, true};
inline constexpr Range row_tokens{"a whole number of 3 or more", [](double x) { return x >= 3; }, true};
enum class Text { any, needed };
template <typename E>
using Names = std::vector<std::pair<const char*, E>>;

inline double checked(const YamlView& view, const Range& range) {
  const double value = range.whole ? static_cast<double>(view.integer()) : view.number();
  if (!range.holds(value)) view.fail(range.words);
  return value;
}

inline std::string checked(const YamlView& view, Text text) {
  std::string value = view.given() && view.null() ? "" : view.text();
  if (text == Text::needed && value.empty()) view.fail("text");
  return value;
}

// Takes values from YAML; keys that are not given leave the default.
class Reader {
 public:
  static constexpr bool reading = true;
  explicit Reader(YamlView view) : view_(std::move(view)) {}

  void operator()(const char* key, double& value, const Range& range) const {
    if (const YamlView v = view_[key]; v.given()) value = checked(v, range);
  }
  void operator()(const char* key, std::int64_t& value, const Range& range) const {
    if (const YamlView v = view_[key]; v.given()) value = static_cast<std::int64_t>(checked(v, range));
  }
  void operator()(const char* key, std::uint64_t& value) const {
    if (const YamlView v = view_[key]; v.given()) value = v.unsigned_integer();
  }
  void operator()(const char* key, bool& value) const {
    if (const YamlView v = view_[key]; v.given()) value = v.boolean();
  }
  void operator()(const char* key, std::string& value, Text text = Text::any) const {
    if (const YamlView v = view_[key]; v.given()) value = checked(v, text);
  }
  void operator()(const char* key, std::optional<double>& value, const Range& range) const {
    if (const YamlView v = view_[key]; !v.null()) value = checked(v, range);
  }
  template <typename E>
  void operator()(const char* key, E& value, const Names<E>& names) const {
    const YamlView v = view_[key];
    if (!v.given()) return;
    std::string known;
    for (const auto& [name, named] : names) {
      if (v.is(Kind::scalar) && v.text() == name) value = named;
      known += (known.empty() ? "" : ", ") + std::string(name);
    }
    if (!v.is(Kind::scalar) || std::none_of(names.begin(), names.end(), [&](const auto& n) { return v.text() == n.first; }))
      v.fail((names.size() == 1 ? "" : "one of ") + known);
  }
  // A value of which each key names another unit: at most one is given.
  template <typename U, typename V>
  void choice(U& unit, V& value, const std::vector<std::tuple<const char*, U, Range>>& choices) const {
    std::optional<YamlView> chosen;
    for (const auto& [key, key_unit, range] : choices) {
      const YamlView v = view_[key];
      if (v.null() || (chosen && chosen->from_command_line() && !v.from_command_line())) continue;
      if (chosen && chosen->from_command_line() == v.from_command_line())
        v.refuse(fmt::format("given beside {}; keep one of them", chosen->path()));
      value = static_cast<V>(checked(v, range));
      unit = key_unit;
      chosen = v;
    }
  }
  template <typename Fill>
  void section(const char* key, Fill fill) const {
    fill(Reader(view_[key]));
  }
  template <typename Read, typename Write>
  void special(const char* key, Read read, Write) const {
    if (const YamlView v = view_[key]; v.given()) read(v);
  }

 private:
  YamlView view_;
};

// Makes YAML of values.
class Writer {
 public:
  static constexpr bool reading = false;
  explicit Writer(YamlNode& node) : node_(&node) {}

  void operator()(const char* key, double value, const Range&) const { node_->add(key, yaml_number(value)); }
  void operator()(const char* key, std::int64_t value, const Range&) const { node_->add(key, whole(value)); }
  void operator()(const char* key, std::uint64_t value) const { node_->add(key, whole(value)); }
  void operator()(const char* key, bool value) const { node_->add(key, YamlNode::scalar(value ? "true" : "false", true)); }
  void operator()(const char* key, const std::string& value, Text = Text::any) const { node_->add(key, yaml_text(value)); }
  void operator()(const char* key, const std::optional<double>& value, const Range&) const {
    node_->add(key, value ? yaml_number(*value) : YamlNode());
  }
  template <typename E>
  void operator()(const char* key, E value, const Names<E>& names) const {
    for (const auto& [name, named] : names)
      if (named == value) node_->add(key, yaml_text(name));
  }
  template <typename U, typename V>
  void choice(U unit, V value, const std::vector<std::tuple<const char*, U, Range>>& choices) const {
    for (const auto& [key, key_unit, range] : choices)
      if (key_unit == unit)
        node_->add(key, range.whole ? whole(static_cast<std::int64_t>(value)) : yaml_number(static_cast<double>(value)));
  }
  template <typename Fill>
  void section(const char* key, Fill fill) const {
    YamlNode inner = YamlNode::map();
    fill(Writer(inner));
    if (!inner.items.empty()) node_->add(key, std::move(inner));
  }
  template <typename Read, typename Write>
  void special(const char* key, Read, Write write) const {
    node_->add(key, write());
  }

 private:
  template <typename I>
  static YamlNode whole(I value) {
    return YamlNode::scalar(fmt::format("{}", value), true);
  }
  YamlNode* node_;
};

}  // namespace thaw::recipe_fields
