// Transcripts made alike: small rules with names, one after another, in the order that they are given.
//   lower, upper             whole strings by Unicode's rules (ß in capitals is SS)
//   strip_punctuation[:KEEP] Unicode's punctuation (P*) goes, but for the characters KEEP: strip_punctuation:'
//   remove:CHARACTERS        each of these goes: remove:+ for stress marks
//   yo_to_ye                 ё becomes е, Ё becomes Е
//   collapse_spaces          white space becomes one blank between words, none at the ends
//   nfc, nfkc                Unicode's normalisation forms
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

class TextRules {
 public:
  TextRules() = default;                                            // text stays as it is
  explicit TextRules(const std::vector<std::string>& rules);        // DataError for a rule that nobody knows
  std::string apply(std::string_view text) const;                   // valid UTF-8 in and out
  const std::vector<std::string>& names() const { return names_; }  // as they were given

 private:
  using Rule = std::function<std::string(std::string_view)>;
  static Rule rule(const std::string& text);
  std::vector<std::string> names_;
  std::vector<Rule> rules_;
};

}  // namespace thaw
