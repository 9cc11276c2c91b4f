// "{label}_{speaker}_{take}": what a file's name says, part by part.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

class NamePattern {
 public:
  struct Part {
    std::string name, value;
  };

  // DataError for a brace that is not closed, two names with nothing between them, or no name at all.
  explicit NamePattern(std::string pattern);
  const std::string& text() const { return pattern_; }
  bool has_folders() const { return pattern_.find('/') != std::string::npos; }
  bool has(std::string_view name) const;

  // The parts of `name`; nothing where it does not fit. A part ends where what follows it in the pattern first comes, and does
  // not reach over a slash; none is empty.
  std::optional<std::vector<Part>> match(std::string_view name) const;

 private:
  struct Piece {
    std::string literal, name;  // of which one is empty
  };
  std::string pattern_;
  std::vector<Piece> pieces_;
};

}  // namespace thaw
