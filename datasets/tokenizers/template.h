// The `post_processor` of tokenizer.json: where the special tokens stand around one text or a pair, and what may stay of each
// text. TemplateProcessing, BertProcessing; or null, or ByteLevel (the texts alone).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "datasets/tokenizers/tokenizer.h"
#include "framework/base/json.h"

namespace thaw {

class Template {
 public:
  // `known` tells whether an id is one of the vocabulary or of the added tokens.
  Template(const JsonView& settings, const std::function<bool(std::uint32_t)>& known);

  std::size_t special_tokens(bool pair) const { return layouts_[pair].special; }
  // Truncates the texts to `max_length` in all (0: no limit) and puts the special tokens around them.
  Encoding assemble(std::vector<std::uint32_t> first, std::optional<std::vector<std::uint32_t>> second, std::size_t max_length) const;

 private:
  struct Piece {
    enum Kind { first, second, special } kind;
    std::uint32_t type;              // 0 or 1
    std::vector<std::uint32_t> ids;  // of a special piece
  };
  struct Layout {
    std::vector<Piece> pieces;
    std::size_t special = 0;
  };
  static Layout read_layout(const JsonView& pieces, const JsonView& tokens, bool pair);
  void check(const std::string& where, const std::function<bool(std::uint32_t)>& known);
  Layout layouts_[2];  // of one text, of a pair
};

}  // namespace thaw
