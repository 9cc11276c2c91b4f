// What Whisper's tokens mean: the special ones, languages, timestamps, the prompt of a transcript, and words made of tokens.
// Text tokens come first, then <|endoftext|>, <|startoftranscript|>, languages and tasks, then the timestamps.
// Source: openai-whisper's whisper/tokenizer.py, whose results these are.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/tokenizers/tokenizer.h"

namespace thaw {

struct WhisperLanguage {
  std::string code, name;  // "en", "english"
  std::uint32_t token;
};

struct WhisperWord {
  std::string text;  // with the blank before it, where it has one
  std::vector<std::uint32_t> tokens;
};

enum class WhisperTask { transcribe, translate };  // translate: into English

class WhisperTokens {
 public:
  using Ids = std::vector<std::uint32_t>;
  static constexpr double seconds_per_timestamp = 0.02;
  static constexpr std::uint32_t timestamps = 1501;  // from 0.00 to 30.00 s

  // ModelError where the tokenizer lacks Whisper's tokens; those of timestamps may be left out of it.
  explicit WhisperTokens(std::shared_ptr<const Tokenizer> tokenizer);

  std::uint32_t end_of_text = 0, start_of_transcript = 0, translate = 0, transcribe = 0, start_of_lm = 0, start_of_prev = 0, no_speech = 0,
                no_timestamps = 0, first_timestamp = 0;
  const std::vector<WhisperLanguage>& languages() const { return languages_; }  // in the order of their tokens
  bool multilingual() const { return multilingual_; }                           // else it knows English alone, whatever tokens it has
  // By code, which a region may follow (sv-SE, zh_TW), or name, in any case; nothing for what the model does not know.
  std::optional<std::uint32_t> language_token(std::string_view language) const;

  bool is_timestamp(std::uint32_t token) const { return token >= first_timestamp; }
  std::uint32_t timestamp(double seconds) const;  // the nearest of 0 to 30 s

  // What a transcript begins with: start, language and task (of a multilingual model), and <|notimestamps|> where none are wanted.
  // UsageError for a language that the model does not know, or a translation by one of English alone.
  Ids prompt(std::string_view language, WhisperTask task, bool with_timestamps) const;

  Ids encode(std::string_view text) const { return tokenizer_->encode_plain(text); }
  std::string decode(const Ids& tokens) const;                  // without timestamps; other special tokens as they are written
  std::string decode_with_timestamps(const Ids& tokens) const;  // "<|1.08|>"

  // Symbols that nobody says, such as brackets and musical notes, and how they begin: what decoding suppresses. Ascending.
  const Ids& non_speech() const { return non_speech_; }

  // All tokens, in order, as words; languages that are written without blanks are cut at each whole character. `language`: a code.
  std::vector<WhisperWord> split_words(const Ids& tokens, std::string_view language) const;

 private:
  std::string bytes_of(const Ids& tokens) const;
  std::vector<WhisperWord> split_characters(const Ids& tokens) const;
  Ids find_non_speech() const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<WhisperLanguage> languages_;
  bool multilingual_ = false;
  Ids non_speech_;
};

}  // namespace thaw
