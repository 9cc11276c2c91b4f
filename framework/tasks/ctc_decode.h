// From the frames of a CTC model to labels: the best path, and prefix beam search.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace thaw {

// Labels without blanks and repetitions, where they were found.
struct CtcLabels {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> first_frame, last_frame;  // of each label, both within it
  double log_probability = 0;                         // of the path
};

// The best label of each frame, repetitions and blanks taken out. log_probs: [frames, vocabulary], any float dtype; of equal
// ones the first counts, as torch's argmax.
CtcLabels ctc_greedy(const at::Tensor& log_probs, std::int64_t blank);

struct CtcHypothesis {
  std::vector<std::int64_t> ids;
  double log_probability;  // of all alignments that the beam kept of these labels
};

struct CtcBeam {
  std::int64_t blank = 0;
  std::size_t width = 64;  // prefixes kept after each frame
  // Labels that are less probable than this in a frame do not extend a prefix there. −∞: all do.
  double least_log_probability = -1.0 / 0.0;
};

// Prefix beam search (Graves, 2008; Hannun et al., 2014): probabilities of alignments that spell the same labels are added up,
// so that the best labelling is found where the best path misses it. The best hypothesis first, at most `width`; of equal ones
// that with the smaller ids. Exact where the width is at least the number of prefixes.
std::vector<CtcHypothesis> ctc_beam_search(const at::Tensor& log_probs, const CtcBeam& beam);

}  // namespace thaw
