// SpecAugment (Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition", Interspeech 2019):
// masks along time and frequency. Masks are drawn apart from their use, which also wav2vec2's hidden states and Whisper's training
// have (transformers' _compute_mask_indices). All are pure functions of their key: random_key(seed, epoch or step, row).
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/audio/features.h"

namespace thaw::audio {

struct MaskRange {
  std::int64_t begin = 0, end = 0;
  bool operator==(const MaskRange&) const = default;
};

// As published, the policy "LD" (LibriSpeech double) without time warping, which the authors found to matter least.
struct SpecAugment {
  int frequency_masks = 2, frequency_width = 27;  // widths are uniform from 0 to this, both included
  int time_masks = 2, time_width = 100;
  double time_share = 1.0;  // a time mask covers no more than this share of the frames
};

struct FeatureMasks {
  std::vector<MaskRange> frames, mels;
};
FeatureMasks draw_masks(const SpecAugment& config, std::int64_t frames, std::int64_t mels, std::uint64_t key);

// Sets what is masked to the mean of the features, as the paper says for those that are not normalised to zero mean.
void apply_masks(Features& features, const FeatureMasks& masks);

// Masks of one width, as wav2vec2 and Whisper draw them: `probability` of the positions would be masked if none overlapped
// (mask_time_prob, mask_time_length, mask_time_min_masks of the model's config.json; likewise mask_feature_…).
struct SpanMasks {
  double probability = 0.05;
  int width = 10;
  int least = 2;
};
// Distinct begins in random order; overlaps are possible. No masks where a span does not fit into `length`.
std::vector<MaskRange> draw_spans(const SpanMasks& config, std::int64_t length, std::uint64_t key);

}  // namespace thaw::audio
