// Steps that normalisers of transcripts are made of, on code points, each as the line of Python's re or unicodedata it stands for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace thaw::steps {

std::u32string lower(const std::u32string& text);  // str.lower(): all of Unicode's rules, final sigma too

// Without <…> and […], whichever bracket closes, and without (…) that holds something. Brackets that stay open stay.
std::u32string remove_bracketed(const std::u32string& text);

// NFKC, and marks, symbols and punctuation become blanks.
std::u32string remove_symbols(const std::u32string& text);

// NFKD without non-spacing marks; other marks, symbols and punctuation become blanks but those in `keep`; letters that NFKD
// does not take apart ("ø", "ß") become their neighbours in ASCII.
std::u32string remove_symbols_and_diacritics(const std::u32string& text, std::u32string_view keep = U"");

std::u32string collapse_space(const std::u32string& text);      // each run of white space a blank; those at the ends stay
std::vector<std::u32string> split(const std::u32string& text);  // str.split()
std::u32string join(const std::vector<std::u32string>& words);  // with blanks

// The letters as a reader sees them (Unicode's extended grapheme clusters), with blanks between.
std::u32string split_letters(const std::u32string& text);

bool is_boundary(const std::u32string& text, std::size_t at);  // \b

// Each `literal` that ends at the end of a word, and where asked begins at a word's end or beginning, from left to right.
void replace(std::u32string& text, std::u32string_view literal, bool from_boundary, std::u32string_view with);

}  // namespace thaw::steps
