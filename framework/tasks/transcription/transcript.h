// What a recording says, and when: the result of transcription, which captions and JSON are written from. Times are seconds from
// the recording's beginning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace thaw {

struct TimedWord {
  std::string word;  // with the blank before it and its punctuation
  double start = 0, end = 0;
  double probability = 0;  // mean over its tokens
  std::vector<std::int64_t> tokens;
};

struct Segment {
  std::int64_t id = 0;
  std::int64_t seek = 0;  // frame (10 ms) at which its window began
  double start = 0, end = 0;
  std::string text;
  std::vector<std::int64_t> tokens;                                // timestamps among them
  double temperature = 0, avg_logprob = 0, compression_ratio = 0;  // of its whole window
  std::optional<double> no_speech_prob;                            // the same; where the model says so
  std::vector<TimedWord> words;
};

struct Transcript {
  std::string text, language;  // no language where the model knows no languages
  std::vector<Segment> segments;
  bool word_times = false;        // whether words were looked for
  std::optional<double> seconds;  // of the recording, where that is known
};

}  // namespace thaw
