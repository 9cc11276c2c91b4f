// Times of words, put into the segments of a window: as merge_punctuations and add_word_timestamps of openai-whisper's timing.py,
// with its limits on how long a word may last.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tasks/transcription/alignment.h"
#include "framework/tasks/transcription/transcript.h"
#include "framework/tasks/transcription/whisper_segments.h"

namespace thaw {

struct WordOptions {
  AttentionHeads heads;                               // of the model: generation_config.json's alignment_heads
  std::string prepended = "\"'“¿([{-";                // these belong to the word after them
  std::string appended = "\"'.。,，!！?？:：”)]}、";  // and these to the word before
};

// Words of punctuation alone give their text and tokens to a neighbour, and stay as empty ones.
void merge_punctuation(std::vector<WordTiming>& alignment, std::string_view prepended, std::string_view appended);

// Fills `words` of a window's segments and corrects their start and end. `last_speech`: end of the last word before them, in s.
// `alignment`: the words of all segments, in order, from the beginning of the window.
void set_word_times(std::vector<Segment>& segments, std::vector<WordTiming> alignment, const WordOptions& options, double last_speech,
                    std::int64_t eot);

// End of the last word, or of the last segment where there are no words; nothing where there are no segments.
std::optional<double> end_of(const std::vector<Segment>& segments);

}  // namespace thaw
