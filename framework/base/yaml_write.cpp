#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "framework/base/yaml.h"
#include "framework/base/yaml_parse.h"

namespace thaw {
namespace {

using Kind = YamlNode::Kind;

// Text that no parser takes for a number, date, boolean, null or syntax: begins with a letter or '/', holds little else.
bool reads_as_text(std::string_view text) {
  if (text.empty() || !(std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/')) return false;
  const auto harmless = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || (c != '\0' && std::string_view("_-./@").find(c) != std::string_view::npos);
  };
  if (!std::all_of(text.begin(), text.end(), harmless)) return false;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array words{"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"};
  return std::find(words.begin(), words.end(), lower) == words.end();
}

// Characters that every parser takes as they are inside quotes.
bool printable(std::int32_t point) {
  return (point >= 0x20 && point < 0x7F) || (point >= 0xA0 && point <= 0xFFFD && point != 0x2028 && point != 0x2029 && point != 0xFEFF) ||
         point >= 0x10000;
}

std::string quoted(std::string_view text) {
  bool plain_quotes = true;
  for (std::size_t at = 0; at < text.size();) plain_quotes = printable(next_code_point(text, at)) && plain_quotes;
  std::string out;
  if (plain_quotes) {
    for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
    return "'" + out + "'";
  }
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const std::int32_t point = next_code_point(text, at);
    if (point == '"' || point == '\\') out += fmt::format("\\{}", static_cast<char>(point));
    else if (point == '\n') out += "\\n";
    else if (point == '\t') out += "\\t";
    else if (point < 0) out += "\\uFFFD";  // not text: the replacement character, as every decoder would
    else if (!printable(point)) out += fmt::format("\\u{:04X}", point);
    else out += text.substr(start, at - start);
  }
  return "\"" + out + "\"";
}

std::string text_of(std::string_view text) { return reads_as_text(text) ? std::string(text) : quoted(text); }

void write_map(const YamlNode& map, int indent, std::string& out) {
  for (const YamlNode& item : map.items) {
    out += fmt::format("{:{}}{}:", "", indent, text_of(item.key));
    if (item.kind == Kind::map && !item.items.empty()) {
      out += '\n';
      write_map(item, indent + 2, out);
    } else if (item.kind == Kind::list &&
               std::any_of(item.items.begin(), item.items.end(), [](const YamlNode& i) { return !i.items.empty(); })) {
      for (const YamlNode& element : item.items) out += fmt::format("\n{:{}}- {}", "", indent + 2, write_yaml_inline(element));
      out += '\n';
    } else {
      out += ' ' + write_yaml_inline(item) + '\n';
    }
  }
}

}  // namespace

std::string write_yaml_inline(const YamlNode& node) {
  if (node.kind == Kind::null) return "null";
  if (node.kind == Kind::scalar) return node.plain ? node.text : text_of(node.text);
  const bool map = node.kind == Kind::map;
  std::string out;
  for (const YamlNode& item : node.items)
    out += (out.empty() ? "" : ", ") + (map ? text_of(item.key) + ": " : "") + write_yaml_inline(item);
  return map ? "{" + out + "}" : "[" + out + "]";
}

std::string write_yaml(const YamlNode& root) {
  std::string out;
  write_map(root, 0, out);
  return out;
}

YamlNode yaml_text(std::string_view text) { return YamlNode::scalar(std::string(text), false); }

YamlNode yaml_number(double value) {
  std::string digits = fmt::format("{}", value);
  // YAML 1.1 takes a number for a float only with a dot: 2e-05 would be text.
  if (digits.find('.') == std::string::npos) digits.insert(std::min(digits.find('e'), digits.size()), ".0");
  return YamlNode::scalar(std::move(digits), true);
}

}  // namespace thaw
