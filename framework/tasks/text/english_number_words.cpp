#include "framework/tasks/text/english_number_words.h"

#include <unordered_map>
#include <utility>

namespace thaw {
namespace {

using Text = std::u32string;
using Kind = NumberWord::Kind;
using Dictionary = std::unordered_map<Text, NumberWord>;

Dictionary make_dictionary() {
  Dictionary words;
  for (const char32_t* zero : {U"o", U"oh", U"zero"}) words[zero] = {Kind::zero};
  const char32_t* const ones[] = {U"one",     U"two",     U"three",     U"four",     U"five",    U"six",      U"seven",
                                  U"eight",   U"nine",    U"ten",       U"eleven",   U"twelve",  U"thirteen", U"fourteen",
                                  U"fifteen", U"sixteen", U"seventeen", U"eighteen", U"nineteen"};
  for (int i = 1; const Text one : ones) {
    words[one] = {Kind::one, i};
    words[one == U"six" ? U"sixes" : one + U"s"] = {Kind::one_suffixed, i, U"s"};
    if (i > 3 && i != 5 && i != 12) words[one + (one.back() == U't' ? U"h" : U"th")] = {Kind::one_suffixed, i, U"th"};
    ++i;
  }
  words[U"zeroth"] = {Kind::one_suffixed, 0, U"th"};
  words[U"first"] = {Kind::one_suffixed, 1, U"st"};
  words[U"second"] = {Kind::one_suffixed, 2, U"nd"};
  words[U"third"] = {Kind::one_suffixed, 3, U"rd"};
  words[U"fifth"] = {Kind::one_suffixed, 5, U"th"};
  words[U"twelfth"] = {Kind::one_suffixed, 12, U"th"};
  for (int i = 20; const Text ten : {U"twent", U"thirt", U"fort", U"fift", U"sixt", U"sevent", U"eight", U"ninet"}) {
    words[ten + U"y"] = {Kind::ten, i};
    words[ten + U"ies"] = {Kind::ten_suffixed, i, U"s"};
    words[ten + U"ieth"] = {Kind::ten_suffixed, i, U"th"};
    i += 10;
  }
  const auto power = [&words](const Text& name, int zeros) {
    words[name] = {Kind::power, zeros};
    words[name + U"s"] = {Kind::power_suffixed, zeros, U"s"};
    words[name + U"th"] = {Kind::power_suffixed, zeros, U"th"};
  };
  power(U"hundred", 2);
  for (int zeros = 3; const Text name : {U"thousand", U"million", U"billion", U"trillion", U"quadrillion", U"quintillion", U"sextillion",
                                         U"septillion", U"octillion", U"nonillion", U"decillion"}) {
    power(name, zeros);
    zeros += 3;
  }
  for (const char32_t* minus : {U"minus", U"negative"}) words[minus] = {Kind::sign, 0, U"-"};
  for (const char32_t* plus : {U"plus", U"positive"}) words[plus] = {Kind::sign, 0, U"+"};
  const std::pair<const char32_t*, const char32_t*> units[] = {{U"pound", U"£"}, {U"euro", U"€"}, {U"dollar", U"$"}, {U"cent", U"¢"}};
  for (const auto& [name, symbol] : units) {
    words[name] = {Kind::unit, 0, symbol};
    words[Text(name) + U"s"] = {Kind::unit, 0, symbol};
  }
  for (const char32_t* percent : {U"per", U"percent"}) words[percent] = {Kind::percent, 0, U"%"};
  for (const char32_t* special : {U"and", U"double", U"triple", U"point"}) words[special] = {Kind::special};
  return words;
}

}  // namespace

const NumberWord* find_number_word(const std::u32string* word) {
  static const Dictionary dictionary = make_dictionary();
  if (word == nullptr) return nullptr;
  const auto found = dictionary.find(*word);
  return found == dictionary.end() ? nullptr : &found->second;
}

}  // namespace thaw
