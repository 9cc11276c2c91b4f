// Which moment each token of a window's text belongs to, from the decoder's cross-attention: as openai-whisper's timing.py
// (median filter, dynamic time warping).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "framework/tasks/transcription/speech_decoder.h"
#include "framework/tasks/transcription/whisper_vocabulary.h"

namespace thaw {

using AttentionHeads = std::vector<std::pair<int, int>>;  // (layer, head), ascending: those that follow the audio

// The median of `width` (odd) neighbours along the last dimension, reflected at its ends. values: fp32, any shape.
at::Tensor median_filter(const at::Tensor& values, std::int64_t width);

// The cheapest monotone path through costs [rows, columns], from corner to corner: its cells, in order.
struct WarpingPath {
  std::vector<std::int64_t> rows, columns;
};
WarpingPath dynamic_time_warping(const at::Tensor& costs);

struct WordTiming {
  std::string word;
  TokenIds tokens;
  double start = 0, end = 0;  // s from the window's beginning
  double probability = 0;
};

// A window that the decoder has encoded, and how much of it is audio.
struct AlignedWindow {
  std::int64_t index = 0;   // in SpeechDecoder::encode's batch
  std::int64_t frames = 0;  // of 10 ms
};

// text: tokens below the end of text, of all the window's segments. The decoder's cross-attention is taken as probabilities: each
// token's over all frames of its window.
std::vector<WordTiming> align_words(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const AttentionHeads& heads,
                                    const AlignedWindow& window, const std::string& language, bool translate, const TokenIds& text);

}  // namespace thaw
