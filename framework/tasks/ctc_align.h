// Where in the frames of a CTC model each label of a known sentence was spoken: the most probable alignment (Viterbi).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace thaw {

struct CtcAlignment {
  std::vector<std::int64_t> path;  // of each frame: the place in `ids` of the label that it speaks, or −1 for a blank
  std::vector<float> log_probs;    // of each frame: of that label, or of the blank
  double log_probability = 0;      // of the whole path
};

// log_probs: [frames, vocabulary], any float dtype; ids: labels without blanks. Of equal paths the one that stays longest where
// it is, from the end on, as torchaudio's forced_align (which stays as well where two ways of leaving are better and equal).
// Memory: frames × (2 × labels + 1) bytes. DataError where there are fewer frames than the labels need (ctc_frames_needed), where an id
// is the blank or none of the vocabulary, or where no path is possible at all.
CtcAlignment ctc_align(const at::Tensor& log_probs, const std::vector<std::int64_t>& ids, std::int64_t blank);

// A stretch of frames, and the geometric mean of the probabilities of what they are aligned with.
struct CtcSpan {
  std::int64_t first_frame, end_frame;  // [first_frame, end_frame)
  double score;                         // in 0…1

  double start_s(double frame_s) const { return static_cast<double>(first_frame) * frame_s; }  // frame_s: seconds a frame
  double end_s(double frame_s) const { return static_cast<double>(end_frame) * frame_s; }
};

// Each label's frames, in the order of the labels.
std::vector<CtcSpan> label_spans(const CtcAlignment& alignment);

// Labels of one word: [first, end) of `ids`.
struct CtcWordRange {
  std::size_t first, end;
};

// The stretches of `ids` between delimiters; without a delimiter there is one word.
std::vector<CtcWordRange> word_ranges(const std::vector<std::int64_t>& ids, std::optional<std::int64_t> delimiter);

// From a word's first label's first frame to its last label's last one; the score is over the frames of its labels alone.
std::vector<CtcSpan> word_spans(const CtcAlignment& alignment, const std::vector<CtcWordRange>& words);

}  // namespace thaw
