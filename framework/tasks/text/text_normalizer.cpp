#include "framework/tasks/text/text_normalizer.h"

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/json.h"
#include "framework/tasks/text/characters.h"
#include "framework/tasks/text/english_numbers.h"
#include "framework/tasks/text/text_steps.h"

namespace thaw {
namespace {

using namespace steps;

struct Replacement {
  const char32_t* spelt;
  const char32_t* with;
};

// In this order; each whole word (or words) first, then endings.
constexpr Replacement words[] = {
    {U"won't", U"will not"},      {U"can't", U"can not"},      {U"let's", U"let us"},      {U"ain't", U"aint"},
    {U"y'all", U"you all"},       {U"wanna", U"want to"},      {U"gotta", U"got to"},      {U"gonna", U"going to"},
    {U"i'ma", U"i am going to"},  {U"imma", U"i am going to"}, {U"woulda", U"would have"}, {U"coulda", U"could have"},
    {U"shoulda", U"should have"}, {U"ma'am", U"madam"},        {U"mr", U"mister "},        {U"mrs", U"missus "},
    {U"st", U"saint "},           {U"dr", U"doctor "},         {U"prof", U"professor "},   {U"capt", U"captain "},
    {U"gov", U"governor "},       {U"ald", U"alderman "},      {U"gen", U"general "},      {U"sen", U"senator "},
    {U"rep", U"representative "}, {U"pres", U"president "},    {U"rev", U"reverend "},     {U"hon", U"honorable "},
    {U"asst", U"assistant "},     {U"assoc", U"associate "},   {U"lt", U"lieutenant "},    {U"col", U"colonel "},
    {U"jr", U"junior "},          {U"sr", U"senior "},         {U"esq", U"esquire "}};
constexpr Replacement endings[] = {{U"'d been", U" had been"},
                                   {U"'s been", U" has been"},
                                   {U"'d gone", U" had gone"},
                                   {U"'s gone", U" has gone"},
                                   {U"'d done", U" had done"},
                                   {U"'s got", U" has got"},
                                   {U"n't", U" not"},
                                   {U"'re", U" are"},
                                   {U"'s", U" is"},
                                   {U"'d", U" would"},
                                   {U"'ll", U" will"},
                                   {U"'t", U" not"},
                                   {U"'ve", U" have"},
                                   {U"'m", U" am"}};
constexpr const char32_t* fillers[] = {U"hmm", U"mm", U"mhm", U"mmm", U"uh", U"um"};

// \s+' → '
std::u32string join_apostrophes(const std::u32string& text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (c == U'\'')
      while (!out.empty() && is_space(out.back())) out.pop_back();
    out.push_back(c);
  }
  return out;
}

// (\d),(\d) → \1\2: digits that were matched once do not count for the next comma, so "1,2,3" becomes "12,3".
std::u32string remove_commas(const std::u32string& text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out.push_back(text[i]);
    if (i + 2 < text.size() && is_decimal(text[i]) && text[i + 1] == U',' && is_decimal(text[i + 2])) out.push_back(text[i += 2]);
  }
  return out;
}

// A symbol and the character after it that is no digit: the symbol becomes a blank. Where asked, at the end of the text too.
std::u32string remove_before_no_digit(const std::u32string& text, std::u32string_view symbols, bool at_end) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool symbol = symbols.find(text[i]) != symbols.npos, last = i + 1 == text.size();
    if (!symbol || (last ? !at_end : is_digit(text[i + 1]))) {
      out.push_back(text[i]);
      continue;
    }
    out.push_back(U' ');
    if (!last) out.push_back(text[++i]);
  }
  return out;
}

// ([^0-9])% → \1 and a blank
std::u32string remove_percent_after_no_digit(const std::u32string& text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out.push_back(text[i]);
    if (!is_digit(text[i]) && i + 1 < text.size() && text[i + 1] == U'%') out.push_back(U' '), ++i;
  }
  return out;
}

}  // namespace

std::string BasicTextNormalizer::operator()(std::string_view text) const {
  std::u32string s = remove_bracketed(lower(code_points(text)));
  s = lower(remove_diacritics_ ? remove_symbols_and_diacritics(s) : remove_symbols(s));
  if (split_letters_) s = steps::split_letters(s);
  return utf8(collapse_space(s));
}

fs::path spelling_file(const fs::path& model_directory) { return model_directory / "normalizer.json"; }

Spelling read_spelling(const fs::path& model_directory) {
  const fs::path path = spelling_file(model_directory);
  Spelling spelling;
  if (!fs::exists(path)) return spelling;
  try {
    const JsonFile file(path);
    if (!file.raw().is_object()) file.view().fail("an object of words and their American spelling");
    for (const auto& [word, american] : file.raw().items())
      spelling[code_points(word)] = code_points(JsonView(american, path.string() + ": " + word).text());
  } catch (const DataError& error) {  // a JSON view does not know that the file is a model's
    throw ModelError(error.code(), std::string(error.what()));
  }
  return spelling;
}

std::string EnglishTextNormalizer::operator()(std::string_view text) const {
  std::u32string s = remove_bracketed(lower(code_points(text)));
  for (const char32_t* filler : fillers) replace(s, filler, true, U"");
  s = join_apostrophes(s);
  for (const auto& [spelt, with] : words) replace(s, spelt, true, with);
  for (const auto& [spelt, with] : endings) replace(s, spelt, false, with);
  s = remove_before_no_digit(remove_commas(s), U".", true);
  s = remove_symbols_and_diacritics(s, U".%$¢€£");

  std::vector<std::u32string> in_figures = steps::split(normalize_english_numbers(s));
  for (std::u32string& word : in_figures)
    if (const auto american = spelling_.find(word); american != spelling_.end()) word = american->second;

  // What stands before and after numbers alone, and stands elsewhere now.
  s = remove_before_no_digit(join(in_figures), U".$¢€£", false);
  return utf8(collapse_space(remove_percent_after_no_digit(s)));
}

}  // namespace thaw
