// What decoding needs to know of Whisper's tokens, from its tokenizer.
#pragma once

#include <memory>

#include "datasets/tokenizers/whisper_tokens.h"
#include "framework/tasks/transcription/whisper_vocabulary.h"

namespace thaw {

WhisperVocabulary whisper_vocabulary(const std::shared_ptr<const WhisperTokens>& tokens);

}  // namespace thaw
