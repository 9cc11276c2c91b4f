#include "datasets/tokenizers/whisper_tokens.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "datasets/tokenizers/unicode.h"
#include "datasets/tokenizers/utf8.h"
#include "datasets/tokenizers/whisper_languages.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

// GPT-2's vocabulary, which the models of English alone have, ends here; the multilingual one has an entry more.
constexpr std::uint32_t english_end_of_text = 50256;

constexpr char32_t replacement = 0xFFFD;
constexpr std::string_view ascii_punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
constexpr std::array<std::string_view, 6> written_without_blanks{"zh", "ja", "th", "lo", "my", "yue"};

// Symbols of annotations such as "[DAVID]" or "( APPLAUSE )": suppressed where one token is all of them.
constexpr std::array<std::string_view, 47> symbols{"\"",  "#",  "(",  ")",   "*",   "+",   "/",   ":",  ";",   "<",  "=",  ">",
                                                   "@",   "[",  "\\", "]",   "^",   "_",   "`",   "{",  "|",   "}",  "~",  "「",
                                                   "」",  "『", "』", "<<",  ">>",  "<<<", ">>>", "--", "---", "-(", "-[", "('",
                                                   "(\"", "((", "))", "(((", ")))", "[[",  "]]",  "{{", "}}",  "♪♪", "♪♪♪"};
// Musical notes: their first token, whatever follows it; all characters of U+2640 to U+267F begin alike.
constexpr std::array<std::string_view, 7> notes{"♩", "♪", "♫", "♬", "♭", "♮", "♯"};

std::u32string code_points(std::string_view text) {
  std::u32string points;
  for (std::size_t at = 0; at < text.size();) points.push_back(next_code_point(text, at));
  return points;
}

// As Python's str.strip.
std::string_view stripped(std::string_view text) {
  const auto blank = [](char32_t c) { return (c >= 0x1C && c <= 0x1F) || (unicode::flags(c) & unicode::white_space) != 0; };
  std::size_t begin = text.size(), end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    if (blank(next_code_point(text, at))) continue;
    begin = std::min(begin, start);
    end = at;
  }
  return begin < end ? text.substr(begin, end - begin) : std::string_view();
}

}  // namespace

WhisperTokens::WhisperTokens(std::shared_ptr<const Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {
  const auto find = [&](std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (const auto id = tokenizer_->token_id(name)) return *id;
    throw ModelError("the tokenizer lacks {}: is it a Whisper's?", *names.begin());
  };
  end_of_text = find({"<|endoftext|>"});
  start_of_transcript = find({"<|startoftranscript|>"});
  translate = find({"<|translate|>"});
  transcribe = find({"<|transcribe|>"});
  start_of_lm = find({"<|startoflm|>"});
  start_of_prev = find({"<|startofprev|>"});
  no_speech = find({"<|nospeech|>", "<|nocaptions|>"});  // renamed in 2022
  no_timestamps = find({"<|notimestamps|>"});
  first_timestamp = tokenizer_->token_id("<|0.00|>").value_or(no_timestamps + 1);
  multilingual_ = end_of_text > english_end_of_text;
  for (const WhisperLanguageName& language : whisper_languages) {
    auto id = tokenizer_->token_id(fmt::format("<|{}|>", language.code));
    if (!id && language.code == "he") id = tokenizer_->token_id("<|iw|>");  // Hebrew's code of old, in the hub's first files
    if (id) languages_.push_back({std::string(language.code), std::string(language.name), *id});
  }
  non_speech_ = find_non_speech();
}

std::optional<std::uint32_t> WhisperTokens::language_token(std::string_view language) const {
  std::string wanted(language);
  for (char& c : wanted) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  for (const WhisperLanguageName& alias : whisper_language_aliases)
    if (wanted == alias.name) wanted = alias.code;
  for (const WhisperLanguage& known : languages_)
    if (wanted == known.code || wanted == known.name) return known.token;
  // Of a locale, as Common Voice's sv-SE, the language.
  const std::size_t region = wanted.find_first_of("-_");
  return region == std::string::npos ? std::nullopt : language_token(wanted.substr(0, region));
}

std::uint32_t WhisperTokens::timestamp(double seconds) const {
  const double place = std::clamp(std::round(seconds / seconds_per_timestamp), 0.0, static_cast<double>(timestamps - 1));
  return first_timestamp + static_cast<std::uint32_t>(place);
}

WhisperTokens::Ids WhisperTokens::prompt(std::string_view language, WhisperTask task, bool with_timestamps) const {
  Ids ids{start_of_transcript};
  const std::optional<std::uint32_t> token = language_token(language);
  if (!token) throw UsageError("language: '{}' is not one that this Whisper knows: name it by a code such as en, or in English", language);
  if (multilingual_) {
    ids.push_back(*token);
    ids.push_back(task == WhisperTask::translate ? translate : transcribe);
  } else if (task == WhisperTask::translate || *token != language_token("en")) {
    throw UsageError("this Whisper knows English alone: for '{}'{} use a multilingual one", language,
                     task == WhisperTask::translate ? " or translations" : "");
  }
  if (!with_timestamps) ids.push_back(no_timestamps);
  return ids;
}

// The tokenizer's own bytes, and the text of timestamps, which it may not have.
std::string WhisperTokens::bytes_of(const Ids& tokens) const {
  std::string bytes;
  for (std::size_t at = 0; at < tokens.size();) {
    std::size_t end = at;
    while (end < tokens.size() && !is_timestamp(tokens[end])) ++end;
    bytes += tokenizer_->decode_bytes({tokens.data() + at, end - at}, false);
    for (; end < tokens.size() && is_timestamp(tokens[end]); ++end)
      bytes += fmt::format("<|{:.2f}|>", (tokens[end] - first_timestamp) * seconds_per_timestamp);
    at = end;
  }
  return bytes;
}

std::string WhisperTokens::decode_with_timestamps(const Ids& tokens) const { return repair_utf8(bytes_of(tokens)); }

std::string WhisperTokens::decode(const Ids& tokens) const {
  Ids text;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(text), [&](std::uint32_t token) { return !is_timestamp(token); });
  return tokenizer_->decode(text, false);
}

WhisperTokens::Ids WhisperTokens::find_non_speech() const {
  std::set<std::uint32_t> found;
  const auto add = [&](const std::string& text, bool any_length) {
    if (const Ids ids = encode(text); ids.size() == 1 || (any_length && !ids.empty())) found.insert(ids.front());
  };
  // Hyphens and quotes may stand between words, but begin none.
  for (const char* start : {" -", " '"}) add(start, true);
  for (const std::string_view symbol : symbols)
    for (const char* before : {"", " "}) add(before + std::string(symbol), false);
  for (const std::string_view note : notes)
    for (const char* before : {"", " "}) add(before + std::string(note), true);
  return {found.begin(), found.end()};
}

// Whole characters: tokens are gathered until their bytes end where a character does, or where the whole text has none either.
std::vector<WhisperWord> WhisperTokens::split_characters(const Ids& tokens) const {
  const std::u32string whole = code_points(decode_with_timestamps(tokens));
  std::vector<WhisperWord> words;
  Ids gathered;
  std::size_t done = 0;  // characters of `whole`
  for (const std::uint32_t token : tokens) {
    gathered.push_back(token);
    std::string text = decode_with_timestamps(gathered);
    const std::u32string points = code_points(text);
    const std::size_t broken = points.find(replacement);
    if (broken != std::u32string::npos && done + broken < whole.size() && whole[done + broken] != replacement) continue;
    done += points.size();
    words.push_back({std::move(text), std::move(gathered)});
    gathered.clear();
  }
  return words;
}

std::vector<WhisperWord> WhisperTokens::split_words(const Ids& tokens, std::string_view language) const {
  std::vector<WhisperWord> pieces = split_characters(tokens);
  if (std::find(written_without_blanks.begin(), written_without_blanks.end(), language) != written_without_blanks.end()) return pieces;
  std::vector<WhisperWord> words;
  for (WhisperWord& piece : pieces) {
    const bool special = piece.tokens[0] >= end_of_text, blank = piece.text.starts_with(' ');
    const bool punctuation = ascii_punctuation.find(stripped(piece.text)) != std::string_view::npos;
    if (special || blank || punctuation || words.empty()) {
      words.push_back(std::move(piece));
    } else {
      words.back().text += piece.text;
      words.back().tokens.insert(words.back().tokens.end(), piece.tokens.begin(), piece.tokens.end());
    }
  }
  return words;
}

}  // namespace thaw
