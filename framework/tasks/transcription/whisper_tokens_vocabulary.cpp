#include "framework/tasks/transcription/whisper_tokens_vocabulary.h"

namespace thaw {
namespace {

// Decoding rules count in int64, as tensors do; tokenizers in uint32.
TokenIds wide(const WhisperTokens::Ids& ids) { return {ids.begin(), ids.end()}; }
WhisperTokens::Ids narrow(const TokenIds& ids) { return {ids.begin(), ids.end()}; }

}  // namespace

WhisperVocabulary whisper_vocabulary(const std::shared_ptr<const WhisperTokens>& tokens) {
  WhisperVocabulary out;
  out.eot = tokens->end_of_text;
  out.sot = tokens->start_of_transcript;
  out.translate = tokens->translate;
  out.transcribe = tokens->transcribe;
  out.sot_lm = tokens->start_of_lm;
  out.sot_prev = tokens->start_of_prev;
  out.no_speech = tokens->no_speech;
  out.no_timestamps = tokens->no_timestamps;
  out.first_timestamp = tokens->first_timestamp;
  if (tokens->multilingual())
    for (const WhisperLanguage& language : tokens->languages()) out.languages.emplace_back(language.code, language.token);
  out.blank = wide(tokens->encode(" "));
  out.non_speech = wide(tokens->non_speech());
  out.decode = [tokens](const TokenIds& ids) { return tokens->decode(narrow(ids)); };
  out.split_words = [tokens](const TokenIds& ids, const std::string& language) {
    std::vector<WordTokens> words;
    for (const WhisperWord& word : tokens->split_words(narrow(ids), language)) words.push_back({word.text, wide(word.tokens)});
    return words;
  };
  return out;
}

}  // namespace thaw
