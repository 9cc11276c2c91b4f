// The `pre_tokenizer` of tokenizer.json: cuts normalised text into words. BertPreTokenizer, Whitespace, WhitespaceSplit,
// Punctuation (isolated), and a Sequence of them. Words are views into the text.
#pragma once

#include <string_view>
#include <vector>

#include "framework/base/json.h"

namespace thaw {

class PreTokenizer {
 public:
  explicit PreTokenizer(const JsonView& settings);  // null: the whole text is one word. ModelError for what is not supported
  void split(std::string_view text, std::vector<std::string_view>& words) const;  // replaces `words`

 private:
  enum class Kind { bert, whitespace, whitespace_split, punctuation };
  void add(const JsonView& settings);
  static void split_one(Kind kind, std::string_view text, std::vector<std::string_view>& words);
  std::vector<Kind> steps_;
};

}  // namespace thaw
