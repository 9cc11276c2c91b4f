#include "framework/tasks/text/english_numbers.h"

#include <vector>

#include "framework/tasks/text/characters.h"
#include "framework/tasks/text/english_number_reader.h"
#include "framework/tasks/text/english_number_words.h"
#include "framework/tasks/text/text_steps.h"

namespace thaw {
namespace {

using Text = std::u32string;
using Kind = NumberWord::Kind;

bool is_small_letter(char32_t c) { return c >= U'a' && c <= U'z'; }

// The end of `and a half` with white space between, where it begins at `at`; else 0.
std::size_t end_of_and_a_half(const Text& text, std::size_t at) {
  std::size_t end = at;
  for (const Text word : {U"and", U"a", U"half"}) {
    const std::size_t begin = end;
    while (end > at && end < text.size() && is_space(text[end])) ++end;
    if ((end == begin && end > at) || text.compare(end, word.size(), word) != 0) return 0;
    end += word.size();
  }
  return steps::is_boundary(text, at) && steps::is_boundary(text, end) ? end : 0;
}

// "two and a half" → "two point five"
Text read_halves(const Text& text) {
  std::vector<Text> parts;
  std::size_t begin = 0;
  const auto add_part = [&](std::size_t end, bool half) {
    const Text part = text.substr(begin, end - begin);
    const std::vector<Text> words = steps::split(part);
    if (words.empty()) return;
    parts.push_back(part);
    if (!half) return;
    const NumberWord* const last = find_number_word(&words.back());
    const bool number = is(last, Kind::one) || is(last, Kind::ten) || is(last, Kind::zero) || is(last, Kind::power);
    parts.push_back(number ? U"point five" : U"and a half");
  };
  for (std::size_t at = text.find(U"and"); at != Text::npos; at = text.find(U"and", at)) {
    const std::size_t end = end_of_and_a_half(text, at);
    if (end == 0) {
      ++at;
      continue;
    }
    add_part(at, true);
    begin = at = end;
  }
  add_part(text.size(), false);
  return steps::join(parts);
}

// A blank between letters and figures, but none before the suffix of an ordinal or a decade.
Text separate_figures(const Text& text) {
  Text spaced;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t before = i > 0 ? text[i - 1] : U' ';
    if ((is_small_letter(before) && is_digit(text[i])) || (is_digit(before) && is_small_letter(text[i]))) spaced.push_back(U' ');
    spaced.push_back(text[i]);
  }
  Text out;
  for (std::size_t i = 0; i < spaced.size(); ++i) {
    out.push_back(spaced[i]);
    if (!is_digit(spaced[i])) continue;
    std::size_t end = i + 1;
    while (end < spaced.size() && is_space(spaced[end])) ++end;
    if (end == i + 1) continue;
    for (const Text suffix : {U"st", U"nd", U"rd", U"th", U"s"}) {
      if (spaced.compare(end, suffix.size(), suffix) != 0 || !steps::is_boundary(spaced, end + suffix.size())) continue;
      out += suffix;
      i = end + suffix.size() - 1;
      break;
    }
  }
  return out;
}

// One or two figures at `at` that end a word: how many; 0 where there are none.
std::size_t count_cents(const Text& text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && end < at + 2 && is_digit(text[end])) ++end;
  return end > at && steps::is_boundary(text, end) ? end - at : 0;
}

bool is_currency(char32_t c) { return c == U'€' || c == U'£' || c == U'$'; }

// "$2 and ¢7" → "$2.07"
Text combine_cents(const Text& text) {
  Text out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out.push_back(text[i]);
    if (!is_currency(text[i])) continue;
    std::size_t end = i + 1;
    while (end < text.size() && is_digit(text[end])) ++end;
    const std::size_t integer_end = end;
    if (end == i + 1 || text.compare(end, 1, U" ") != 0) continue;
    ++end;
    if (text.compare(end, 4, U"and ") == 0) end += 4;
    if (text.compare(end, 1, U"¢") != 0) continue;
    const std::size_t cents = count_cents(text, end + 1);
    if (cents == 0) continue;
    out.append(text, i + 1, integer_end - i - 1).append(cents == 1 ? U".0" : U".").append(text, end + 1, cents);
    i = end + cents;
  }
  return out;
}

// "$0.70" → "¢70"
Text extract_cents(const Text& text) {
  Text out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t cents = is_currency(text[i]) && text.compare(i + 1, 1, U"0") == 0 ? count_cents(text, i + 3) : 0;
    if (cents == 0) {
      out.push_back(text[i]);
      continue;
    }
    const bool padded = cents == 2 && text[i + 3] == U'0';
    out.append(U"¢").append(text, i + 3 + padded, cents - padded);
    i += 2 + cents;
  }
  return out;
}

// "1" and "1s" as words again, which reads better.
Text spell_one(const Text& text) {
  Text out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool plural = text.compare(i, 2, U"1s") == 0 && steps::is_boundary(text, i + 2);
    const bool one = text[i] == U'1' && steps::is_boundary(text, i) && (plural || steps::is_boundary(text, i + 1));
    if (one) out.append(U"one");
    else out.push_back(text[i]);
  }
  return out;
}

}  // namespace

std::u32string normalize_english_numbers(const std::u32string& text) {
  const std::vector<Text> words = steps::split(separate_figures(read_halves(text)));
  return spell_one(extract_cents(combine_cents(steps::join(read_english_numbers(words)))));
}

}  // namespace thaw
