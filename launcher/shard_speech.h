// The words of `thaw shard` that are about speech.
#pragma once

#include <string>
#include <vector>

#include "datasets/speech/speech_rows.h"

namespace CLI {
class App;
}

namespace thaw {

struct SpeechWords {
  std::string audio, corpus = "auto", bad_limit = "5%";
  std::vector<std::string> columns, rules;  // "use=NAME"
  CorpusOptions options;
  SpeechLimits limits;
};

void add_speech_options(CLI::App& command, SpeechWords& words);

// Whether the sources are speech: a word says so, or one of them is a directory.
bool is_speech(const SpeechWords& words, const std::vector<std::string>& sources);

// Whether labels are what is learnt where nothing was said: classes are folders, or the pattern names them.
bool has_classes(const SpeechWords& words, const std::vector<std::string>& sources);

// `model`: its directory, for features; may be empty. `tokenizer`: null where rows have no ids.
SpeechOptions speech_options(const SpeechWords& words, const fs::path& model, const Tokenizer* tokenizer);

}  // namespace thaw
