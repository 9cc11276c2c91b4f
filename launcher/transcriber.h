// From a recording to its transcript, by whatever the model is: Whisper, or one with a CTC head.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "framework/base/file.h"
#include "framework/tasks/transcription/transcript.h"

namespace thaw {

struct TranscriberOptions {
  std::string model, precision = "fp32";
  std::int64_t beams = 0;                       // 0: the most probable token, or label, each time
  bool word_times = false, snap_words = false;  // snapped: words beside a pause begin and end with the voice
  std::string aligner;                          // a CTC model that says when words are said; empty: the model itself
  // What only Whisper knows.
  std::string language, prompt, windows = "text";
  std::vector<double> temperatures;
  bool translate = false, independent = false, no_timestamps = false;
  std::int64_t best_of = 5, batch = 8;
  double patience = 1;
  std::string words;  // a file of words that the beam search prefers
  double unknown_word = 3;
  std::vector<std::string> for_whisper;  // those of them that the user gave, as typed: "--language"
};

// AudioError where a recording cannot be heard.
using Transcriber = std::function<Transcript(const fs::path& recording)>;

// UsageError where a model is given what only Whisper knows. ModelError for an architecture that hears nothing.
Transcriber open_transcriber(const TranscriberOptions& options);

}  // namespace thaw
