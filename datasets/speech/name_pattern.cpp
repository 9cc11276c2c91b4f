#include "datasets/speech/name_pattern.h"

#include <algorithm>

#include "framework/base/error.h"

namespace thaw {

NamePattern::NamePattern(std::string pattern) : pattern_(std::move(pattern)) {
  std::string_view rest = pattern_;
  while (!rest.empty()) {
    const std::size_t open = rest.find('{'), close = rest.find('}');
    if (open > 0) {
      const std::string literal(rest.substr(0, open));
      if (literal.find('}') != std::string::npos) throw DataError("pattern '{}': a '}}' without '{{'", pattern_);
      pieces_.push_back({literal, ""});
      rest.remove_prefix(literal.size());
      continue;
    }
    if (close == std::string_view::npos || close == 1) throw DataError("pattern '{}': expected a name in braces, as {{label}}", pattern_);
    const std::string name(rest.substr(1, close - 1));
    if (name.find_first_of("{/") != std::string::npos) throw DataError("pattern '{}': '{{{}}}' is no name", pattern_, name);
    if (!pieces_.empty() && !pieces_.back().name.empty())
      throw DataError("pattern '{}': nothing stands between {{{}}} and {{{}}}: where does one end?", pattern_, pieces_.back().name, name);
    pieces_.push_back({"", name});
    rest.remove_prefix(close + 1);
  }
  if (std::none_of(pieces_.begin(), pieces_.end(), [](const Piece& piece) { return !piece.name.empty(); }))
    throw DataError("pattern '{}': expected names in braces, as {{label}}_{{speaker}}_{{take}}", pattern_);
}

bool NamePattern::has(std::string_view name) const {
  return std::any_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) { return piece.name == name; });
}

std::optional<std::vector<NamePattern::Part>> NamePattern::match(std::string_view name) const {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    if (pieces_[i].name.empty()) {
      if (!name.starts_with(pieces_[i].literal)) return {};
      name.remove_prefix(pieces_[i].literal.size());
      continue;
    }
    const std::size_t end = i + 1 < pieces_.size() ? name.find(pieces_[i + 1].literal) : name.size();
    if (end == std::string_view::npos || end == 0 || name.substr(0, end).find('/') != std::string_view::npos) return {};
    parts.push_back({pieces_[i].name, std::string(name.substr(0, end))});
    name.remove_prefix(end);
  }
  return name.empty() ? std::optional(std::move(parts)) : std::nullopt;
}

}  // namespace thaw
