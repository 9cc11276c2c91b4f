// The words of which English numbers are made, with their currencies, signs and percents.
#pragma once

#include <string>

namespace thaw {

struct NumberWord {
  enum class Kind { zero, one, one_suffixed, ten, ten_suffixed, power, power_suffixed, sign, unit, percent, special };
  Kind kind;
  int number = 0;            // of a one (1 to 19) or a ten; of a power of ten its zeros
  std::u32string text = {};  // what it adds to a number: the suffix of "sixties", the symbol of "dollars"
};

// nullptr for a word that says no number, and where there is no word.
const NumberWord* find_number_word(const std::u32string* word);

inline bool is(const NumberWord* word, NumberWord::Kind kind) { return word != nullptr && word->kind == kind; }

}  // namespace thaw
