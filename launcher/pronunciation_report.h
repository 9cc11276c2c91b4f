// What somebody who learns a language is told of a sentence: how well each word and sound was said, when, and what was heard instead.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/tokenizers/ctc_vocabulary.h"
#include "framework/base/json.h"
#include "framework/tasks/pronunciation.h"

namespace thaw {

struct PronouncedSentence {
  std::string recording, text;
  std::vector<std::int64_t> ids;  // the text's labels
  Pronunciation judged;           // of these labels
  double frame_s = 0;             // seconds a frame
};

// A line a word, with those of its sounds below it; the sentence's score above.
std::string pronunciation_table(const PronouncedSentence& sentence, const CtcVocabulary& vocabulary);

// {recording, text, score, words {word, score, start, end, probability, heard, sounds {sound, score, start, end, probability, heard}}}:
// scores 0 to 100, times in s, probabilities of the model for what should be said; heard of a sound is null where nothing was.
OrderedJson pronunciation_json(const PronouncedSentence& sentence, const CtcVocabulary& vocabulary);

}  // namespace thaw
