// What the frames of a CTC model say: text, words and when they are said, and the segments that captions are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "framework/tasks/transcription/ctc_emissions.h"
#include "framework/tasks/transcription/transcript.h"

namespace thaw {

struct CtcWord {
  std::string text;
  std::int64_t first_frame, end_frame;  // [first_frame, end_frame)
};

// What decoding needs to know of a CTC model's labels. Both functions take the label of each frame: repetitions are one, blanks none.
struct CtcAlphabet {
  std::int64_t blank = 0;
  std::function<std::string(std::span<const std::int64_t>)> text;
  std::function<std::vector<CtcWord>(std::span<const std::int64_t>)> words;
};

struct CtcTranscriptionOptions {
  std::int64_t beams = 0;         // prefixes of the beam search (ctc_decode.h); 0: the best label of each frame
  double pause_s = 0.5;           // a segment ends where so much time lies between two words
  double longest_segment_s = 10;  // longer ones are cut between words, where the pause is long and neither side short
  bool word_times = false;        // said in the transcript; words have their times in any case
};

// Of the best labels, segments and words are found; with beams each segment's frames are searched again, and aligned with what was
// found (ctc_align), so that words have their times. In the transcript:
// - a word lasts from its first label's first frame to the end of its last label's last one, as transformers' word_offsets; its
//   probability is the geometric mean over the frames of its labels;
// - a segment's avg_logprob is the mean over its frames, `tokens` are its labels, `temperature` is 0, and there is no no_speech_prob;
// - the text is that of all labels of each sequence of frames: white space within segments is the vocabulary's.
Transcript ctc_transcript(const std::vector<CtcEmissions>& heard, const CtcAlphabet& alphabet, double frame_s,
                          const CtcTranscriptionOptions& options);

}  // namespace thaw
