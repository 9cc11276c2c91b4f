#include "datasets/tokenizers/pre_tokenizer.h"

#include <cstdint>

#include "datasets/tokenizers/normalizer.h"
#include "datasets/tokenizers/unicode.h"
#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"

namespace thaw {

PreTokenizer::PreTokenizer(const JsonView& settings) {
  if (!settings.raw().is_null()) add(settings);
}

void PreTokenizer::add(const JsonView& settings) {
  const JsonView type_view = settings["type"];
  const std::string type = type_view.text();
  if (type == "BertPreTokenizer") {
    steps_.push_back(Kind::bert);
  } else if (type == "Whitespace") {
    steps_.push_back(Kind::whitespace);
  } else if (type == "WhitespaceSplit") {
    steps_.push_back(Kind::whitespace_split);
  } else if (type == "Punctuation") {
    if (settings.text_or("behavior", "Isolated") != "Isolated") fail_unsupported(settings["behavior"], "Isolated");
    steps_.push_back(Kind::punctuation);
  } else if (type == "Sequence") {
    const JsonView parts = settings["pretokenizers"];
    if (!parts.raw().is_array()) parts.fail("a list of pre-tokenizers");
    for (std::size_t i = 0; i < parts.size(); ++i) add(parts[i]);
  } else {
    fail_unsupported(type_view, "BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation and Sequence");
  }
}

// A character is dropped (class 0), a word of its own (class 1), or joins its neighbours of the same class (2, 3).
void PreTokenizer::split_one(Kind kind, std::string_view text, std::vector<std::string_view>& words) {
  const auto class_of = [kind](std::uint8_t flags) {
    switch (kind) {
      case Kind::bert: return flags & unicode::white_space ? 0 : flags & unicode::punctuation ? 1 : 2;
      case Kind::whitespace: return flags & unicode::word ? 2 : flags & unicode::white_space ? 0 : 3;
      case Kind::whitespace_split: return flags & unicode::white_space ? 0 : 2;
      case Kind::punctuation: return flags & unicode::punctuation ? 1 : 2;
    }
    return 2;
  };
  std::size_t start = 0;
  int open = 0;  // class of the word that started at `start`; 0: none
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t at = i;
    const int now = class_of(unicode::flags(next_code_point(text, i)));
    if (now == open && now != 1) continue;
    if (open != 0) words.push_back(text.substr(start, at - start));
    open = now;
    start = at;
  }
  if (open != 0) words.push_back(text.substr(start));
}

void PreTokenizer::split(std::string_view text, std::vector<std::string_view>& words) const {
  words.clear();
  if (text.empty()) return;
  if (steps_.empty()) return words.push_back(text);
  split_one(steps_[0], text, words);
  for (std::size_t step = 1; step < steps_.size(); ++step) {
    std::vector<std::string_view> finer;
    for (const std::string_view word : words) split_one(steps_[step], word, finer);
    words = std::move(finer);
  }
}

}  // namespace thaw
