#include "datasets/audio/spec_augment.h"

#include <algorithm>
#include <numeric>

#include "datasets/audio/noise.h"

namespace thaw::audio {
namespace {

// A whole number from 0 to `most`, both included.
std::int64_t uniform_integer(std::uint64_t key, std::uint64_t index, std::int64_t most) {
  return static_cast<std::int64_t>(uniform(key, index) * static_cast<double>(most + 1));
}

std::vector<MaskRange> draw(int count, std::int64_t width, std::int64_t length, std::uint64_t key) {
  std::vector<MaskRange> masks;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(std::max(count, 0)); ++i) {
    const std::int64_t own = uniform_integer(key, 2 * i, std::clamp<std::int64_t>(width, 0, length));
    const std::int64_t begin = uniform_integer(key, 2 * i + 1, length - own);
    if (own > 0) masks.push_back({begin, begin + own});
  }
  return masks;
}

enum Use : std::uint64_t { along_time = 1, along_frequency, span_count, span_begins };

}  // namespace

FeatureMasks draw_masks(const SpecAugment& config, std::int64_t frames, std::int64_t mels, std::uint64_t key) {
  const auto widest = static_cast<std::int64_t>(config.time_share * static_cast<double>(frames));
  return {draw(config.time_masks, std::min<std::int64_t>(config.time_width, widest), frames, random_key(key, along_time)),
          draw(config.frequency_masks, config.frequency_width, mels, random_key(key, along_frequency))};
}

void apply_masks(Features& features, const FeatureMasks& masks) {
  if (features.values.empty()) return;
  const double sum = std::accumulate(features.values.begin(), features.values.end(), 0.0);
  const auto mean = static_cast<float>(sum / static_cast<double>(features.values.size()));
  const auto row = [&](std::int64_t frame) { return features.values.begin() + frame * features.mels; };
  for (const MaskRange& mask : masks.frames) std::fill(row(mask.begin), row(mask.end), mean);
  for (const MaskRange& mask : masks.mels)
    for (std::int64_t frame = 0; frame < features.frames; ++frame) std::fill(row(frame) + mask.begin, row(frame) + mask.end, mean);
}

std::vector<MaskRange> draw_spans(const SpanMasks& config, std::int64_t length, std::uint64_t key) {
  const std::int64_t width = config.width, places = length - width + 1;
  if (width < 1 || places < 1) return {};
  // Rounded up as often as the fraction says, so that the mean is right.
  const double expected = config.probability * static_cast<double>(length) / static_cast<double>(width);
  std::int64_t count = static_cast<std::int64_t>(expected + uniform(random_key(key, span_count), 0));
  count = std::min({std::max<std::int64_t>(count, config.least), length / width, places});
  const Permutation order(random_key(key, span_begins), static_cast<std::uint64_t>(places));
  std::vector<MaskRange> masks;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto begin = static_cast<std::int64_t>(order(static_cast<std::uint64_t>(i)));
    masks.push_back({begin, begin + width});
  }
  return masks;
}

}  // namespace thaw::audio
