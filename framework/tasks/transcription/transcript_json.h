// A transcript as JSON, with the fields of openai-whisper's result: text, language, segments {id, seek, start, end, text, tokens,
// temperature, avg_logprob, compression_ratio, no_speech_prob, words {word, start, end, probability}}, but for language and no_speech_prob
// of models that do not say so. Numbers read back exactly.
#pragma once

#include <string>

#include "framework/base/json.h"
#include "framework/tasks/transcription/transcript.h"

namespace thaw {

OrderedJson transcript_json(const Transcript& transcript);                        // `words` where they were looked for
std::string to_json(const Transcript& transcript, const std::string& file = {});  // one line; `file`: whose it is

}  // namespace thaw
