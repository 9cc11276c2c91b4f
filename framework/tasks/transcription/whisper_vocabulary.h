// What decoding needs to know of Whisper's tokens: the ids of the special ones, and functions of its tokenizer. Text tokens come
// first, then `eot` and the other special tokens, then the timestamps: this order is what the rules rely on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace thaw {

using TokenIds = std::vector<std::int64_t>;

struct WordTokens {
  std::string word;  // with the blank before it, where it has one
  TokenIds tokens;
};

struct WhisperVocabulary {
  std::int64_t eot = 0, sot = 0, translate = 0, transcribe = 0, sot_lm = 0, sot_prev = 0, no_speech = 0, no_timestamps = 0;
  std::int64_t first_timestamp = 0;  // <|0.00|>; each one after it is 0.02 s later

  std::vector<std::pair<std::string, std::int64_t>> languages;  // code ("en") and token; empty: the model knows English alone
  TokenIds blank;                                               // of the text " "
  TokenIds non_speech;                                          // symbols that nobody says (openai-whisper's Tokenizer.non_speech_tokens)

  std::function<std::string(const TokenIds&)> decode;  // valid UTF-8
  // The tokens cut into words, all of them, in order (openai-whisper's Tokenizer.split_to_word_tokens).
  std::function<std::vector<WordTokens>(const TokenIds&, const std::string& language)> split_words;

  bool is_timestamp(std::int64_t token) const { return token >= first_timestamp; }
};

}  // namespace thaw
