// The language of a window, and the tokens that tell Whisper's decoder which language and task it is given.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "framework/tasks/transcription/speech_decoder.h"
#include "framework/tasks/transcription/whisper_vocabulary.h"

namespace thaw {

struct LanguageGuess {
  std::string language;               // the most probable one's code
  std::vector<double> probabilities;  // of WhisperVocabulary::languages
};

// Of windows that were encoded, as openai-whisper's detect_language. ModelError where the model knows English alone.
std::vector<LanguageGuess> detect_language(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary,
                                           const std::vector<std::int64_t>& windows);

// Start of transcript, then language and task where the model knows more than English. UsageError for a language it does not know.
TokenIds start_of_transcript(const WhisperVocabulary& vocabulary, const std::string& language, bool translate);

}  // namespace thaw
