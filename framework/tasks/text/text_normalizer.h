// Whisper's text normalisers, which take out of two transcripts what is a matter of style before their errors are counted:
// case, punctuation, fillers, contractions, numbers in words, spelling. Equal to openai-whisper's `whisper.normalizers` and
// transformers' EnglishTextNormalizer and BasicTextNormalizer (Radford et al., 2022, "Robust Speech Recognition via Large-Scale Weak
// Supervision", appendix C), on any bytes, where those that are not UTF-8 count as U+FFFD.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>

namespace thaw {

// For every language: lower case, without bracketed remarks, symbols and punctuation.
class BasicTextNormalizer {
 public:
  // `split_letters`: blanks between all letters, so that word errors are errors of letters, for languages that set no blanks.
  explicit BasicTextNormalizer(bool remove_diacritics = false, bool split_letters = false)
      : remove_diacritics_(remove_diacritics), split_letters_(split_letters) {}
  std::string operator()(std::string_view text) const;

 private:
  bool remove_diacritics_, split_letters_;
};

using Spelling = std::unordered_map<std::u32string, std::u32string>;  // British to American words, lower case

// The table of British spellings that Whisper's model directories have: normalizer.json.
std::filesystem::path spelling_file(const std::filesystem::path& model_directory);

// Empty where there is none. ModelError for what is no table.
Spelling read_spelling(const std::filesystem::path& model_directory);

// For English. Without a table there is no step of spelling: "colour" and "color" stay two words.
class EnglishTextNormalizer {
 public:
  explicit EnglishTextNormalizer(Spelling spelling = {}) : spelling_(std::move(spelling)) {}
  std::string operator()(std::string_view text) const;

 private:
  Spelling spelling_;
};

}  // namespace thaw
