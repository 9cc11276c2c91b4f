#include "datasets/audio/augment.h"

#include <cmath>

#include "datasets/audio/noise.h"
#include "datasets/audio/resample.h"
#include "framework/base/error.h"

namespace thaw::audio {
namespace {

enum Use : std::uint64_t { of_speed = 1, of_noise, of_noise_place, of_gain };

double power(std::span<const float> samples) {
  double sum = 0;
  for (const float sample : samples) sum += static_cast<double>(sample) * static_cast<double>(sample);
  return samples.empty() ? 0 : sum / static_cast<double>(samples.size());
}

double between(double low, double high, double share) { return low + (high - low) * share; }

std::size_t choice(std::size_t count, double share) { return static_cast<std::size_t>(share * static_cast<double>(count)); }

void check(const AugmentConfig& config) {
  for (const double speed : config.speeds)
    if (!(speed >= 0.1 && speed <= 10)) throw DataError("augmentation: expected speeds from 0.1 to 10, found {}", speed);
  if (!(config.low_snr_db <= config.high_snr_db) || !(config.low_gain_db <= config.high_gain_db)) {
    throw DataError("augmentation: expected ranges from low to high, found SNR {} to {} dB and gain {} to {} dB", config.low_snr_db,
                    config.high_snr_db, config.low_gain_db, config.high_gain_db);
  }
}

}  // namespace

std::vector<float> change_speed(std::span<const float> samples, double speed) {
  constexpr double rate = 16000;  // any would do
  return resample(samples, rate * speed, rate);
}

void add_noise(std::span<float> samples, std::span<const float> noise, double snr_db, std::uint64_t key) {
  const double wanted = power(samples) * std::pow(10, -snr_db / 10);
  std::vector<float> part(samples.size());
  if (noise.empty()) {
    add_white_noise(part, 1, random_key(key, of_noise_place));
  } else {
    std::size_t at = choice(noise.size(), uniform(random_key(key, of_noise_place), 0));
    for (float& sample : part) {
      sample = noise[at];
      if (++at == noise.size()) at = 0;
    }
  }
  const double present = power(part);
  if (present == 0) return;
  const auto scale = static_cast<float>(std::sqrt(wanted / present));
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] += scale * part[i];
}

void apply_gain(std::span<float> samples, double gain_db) {
  const auto factor = static_cast<float>(std::pow(10, gain_db / 20));
  for (float& sample : samples) sample *= factor;
}

double chosen_speed(const AugmentConfig& config, std::size_t samples, std::uint64_t key) {
  if (config.speeds.empty()) return 1;
  const double speed = config.speeds[choice(config.speeds.size(), uniform(random_key(key, of_speed), 0))];
  const double left = static_cast<double>(samples) / speed;
  const bool too_long = config.longest > 0 && left > static_cast<double>(config.longest);
  return (speed < 1 && too_long) || (speed > 1 && left < static_cast<double>(config.shortest)) ? 1 : speed;
}

std::vector<float> augment(std::span<const float> samples, const AugmentConfig& config, std::span<const std::vector<float>> noises,
                           std::uint64_t key) {
  check(config);
  std::vector<float> out = change_speed(samples, chosen_speed(config, samples.size(), key));
  const std::uint64_t noise_key = random_key(key, of_noise);
  if (uniform(noise_key, 0) < config.noise_probability) {
    const double snr_db = between(config.low_snr_db, config.high_snr_db, uniform(noise_key, 1));
    const std::span<const float> noise = noises.empty() ? std::span<const float>() : noises[choice(noises.size(), uniform(noise_key, 2))];
    add_noise(out, noise, snr_db, noise_key);
  }
  if (config.low_gain_db != 0 || config.high_gain_db != 0)
    apply_gain(out, between(config.low_gain_db, config.high_gain_db, uniform(random_key(key, of_gain), 0)));
  return out;
}

}  // namespace thaw::audio
