// What a CTC model says of a recording of any length: log-probabilities of its frames, window by window, as one sequence where
// windows overlap.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "framework/base/time_span.h"
#include "framework/models/frame_lengths.h"

namespace thaw {

struct CtcAcousticModel {
  FrameLengths lengths;
  int sample_rate = 16000;
  // Of the samples of one utterance, enough of them for a frame: fp32 [frames, vocabulary], after log_softmax.
  std::function<at::Tensor(std::span<const float> samples)> log_probs;

  std::int64_t samples_a_frame() const { return lengths.samples_needed(2) - lengths.samples_needed(1); }
  double frame_s() const { return static_cast<double>(samples_a_frame()) / sample_rate; }
};

// Frames one after another, without a gap.
struct CtcEmissions {
  std::int64_t first_frame = 0;  // of the recording's
  at::Tensor log_probs;          // fp32 [frames, vocabulary]
};

// windows: ascending (DataError), as speech_windows cuts them; each is an utterance of its own to the model. They begin at whole
// frames of the recording, so two that overlap have the same frames there: of these the first half is the earlier window's, the rest
// the later one's, whose context is better there. Windows too short for a frame are left out.
std::vector<CtcEmissions> ctc_emissions(const CtcAcousticModel& model, std::span<const float> samples,
                                        const std::vector<TimeSpan>& windows);

}  // namespace thaw
