// Changes of a recording while it is on its way into training: speed, noise, level. What happens to a row is a pure function of
// its key, random_key(seed, epoch, row), so that it does not depend on ranks, threads or order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace thaw::audio {

struct AugmentConfig {
  // One is chosen for each row (Ko et al., "Audio augmentation for speech recognition", Interspeech 2015); pitch changes too.
  std::vector<double> speeds{0.9, 1.0, 1.1};
  // Samples; what would last longer, or shorter, stays as fast as it was recorded. 0: no limit.
  std::size_t longest = 0, shortest = 0;
  double noise_probability = 0;              // share of rows that get noise …
  double low_snr_db = 5, high_snr_db = 20;   // … of a signal-to-noise ratio that is uniform in this range
  double low_gain_db = 0, high_gain_db = 0;  // uniform in this range
};

// Applies speed, noise, gain, in this order. `noises`: recordings at the same rate; white noise where there are none.
// What then lies outside of [-1, 1] stays. A DataError where a speed is not within 0.1 to 10, or a range is upside down.
std::vector<float> augment(std::span<const float> samples, const AugmentConfig& config, std::span<const std::vector<float>> noises,
                           std::uint64_t key);

// The speed that augment chooses with this key for so many samples.
double chosen_speed(const AugmentConfig& config, std::size_t samples, std::uint64_t key);

// Resampled, so that it lasts 1 / speed as long; sox's effect `speed`.
std::vector<float> change_speed(std::span<const float> samples, double speed);

// Adds noise whose power is the samples' mean power less snr_db: a part of `noise` from a place that the key chooses, from its
// start again where it ends; white where it is empty. Silent samples, or silent noise, stay as they are.
void add_noise(std::span<float> samples, std::span<const float> noise, double snr_db, std::uint64_t key);

void apply_gain(std::span<float> samples, double gain_db);

}  // namespace thaw::audio
