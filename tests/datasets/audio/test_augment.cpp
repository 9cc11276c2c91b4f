// Augmentation: the same key gives the same bits, and what is drawn has the distribution that is stated.
#include <gtest/gtest.h>

#include <map>

#include "datasets/audio/augment.h"
#include "datasets/audio/spec_augment.h"
#include "framework/base/random.h"
#include "tests/datasets/audio/audio_testing.h"

namespace thaw::audio {
namespace {

double decibels(double power_ratio) { return 10 * std::log10(power_ratio); }

std::vector<float> difference(std::span<const float> a, std::span<const float> b) {
  std::vector<float> out;
  for (std::size_t i = 0; i < a.size(); ++i) out.push_back(a[i] - b[i]);
  return out;
}

AugmentConfig everything() {
  AugmentConfig config;
  config.noise_probability = 0.5;
  config.low_gain_db = -6;
  config.high_gain_db = 6;
  return config;
}

TEST(Augment, SameKeySameBits) {
  const auto sound = sine(8000, 440, 16000);
  const std::vector<std::vector<float>> noises{white_noise(3000, 0.2, 5), white_noise(20000, 0.1, 6)};
  std::vector<std::vector<float>> all;
  for (std::uint64_t row = 0; row < 40; ++row) all.push_back(augment(sound, everything(), noises, random_key(42, 3, row)));
  for (std::uint64_t row = 40; row-- > 0;) EXPECT_EQ(augment(sound, everything(), noises, random_key(42, 3, row)), all[row]);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
}

TEST(Augment, SpeedsNoiseAndGainAsStated) {
  const auto sound = sine(1600, 440, 16000);
  std::map<std::size_t, int> lengths;
  AugmentConfig config;
  for (std::uint64_t row = 0; row < 3000; ++row) ++lengths[augment(sound, config, {}, random_key(1, 0, row)).size()];
  ASSERT_EQ(lengths.size(), 3u);
  for (const auto& [length, count] : lengths) EXPECT_NEAR(count, 1000, 110) << length;  // 4 standard deviations
  EXPECT_TRUE(lengths.contains(1778) && lengths.contains(1600) && lengths.contains(1455));

  // What would last too long stays as it was recorded.
  config.longest = 1700;
  lengths.clear();
  for (std::uint64_t row = 0; row < 3000; ++row) {
    const std::size_t length = augment(sound, config, {}, random_key(1, 0, row)).size();
    EXPECT_NEAR(static_cast<double>(length), 1600 / chosen_speed(config, 1600, random_key(1, 0, row)), 1);
    ++lengths[length];
  }
  EXPECT_NEAR(lengths[1600], 2000, 110);
  EXPECT_NEAR(lengths[1455], 1000, 110);
  config.shortest = 1500;
  for (std::uint64_t row = 0; row < 100; ++row) EXPECT_EQ(augment(sound, config, {}, random_key(1, 0, row)).size(), 1600U);
  config.longest = config.shortest = 0;

  config.speeds = {};
  config.noise_probability = 0.25;
  int noisy = 0;
  std::vector<double> snr;
  for (std::uint64_t row = 0; row < 3000; ++row) {
    const auto out = augment(sound, config, {}, random_key(1, 0, row));
    if (out == sound) continue;
    ++noisy;
    const double level = rms(difference(out, sound));
    snr.push_back(decibels(std::pow(rms(sound) / level, 2)));
  }
  EXPECT_NEAR(noisy, 750, 95);
  std::sort(snr.begin(), snr.end());
  EXPECT_NEAR(snr.front(), 5, 0.2);
  EXPECT_NEAR(snr[snr.size() / 2], 12.5, 1.2);
  EXPECT_NEAR(snr.back(), 20, 0.2);

  config.noise_probability = 0;
  config.low_gain_db = -10;
  config.high_gain_db = 2;
  double sum = 0;
  for (std::uint64_t row = 0; row < 1000; ++row) {
    const double gain = decibels(std::pow(rms(augment(sound, config, {}, random_key(1, 0, row))) / rms(sound), 2));
    EXPECT_GE(gain, -10.001);
    EXPECT_LE(gain, 2.001);
    sum += gain;
  }
  EXPECT_NEAR(sum / 1000, -4, 0.45);
}

TEST(Augment, NoiseComesFromTheRecording) {
  const auto sound = sine(5000, 440, 16000), noise = white_noise(700, 0.3, 9);
  std::vector<float> out = sound;
  add_noise(out, noise, 10, 77);
  const auto added = difference(out, sound);
  EXPECT_NEAR(decibels(std::pow(rms(sound) / rms(added), 2)), 10, 0.01);
  // It goes on from its start where it ends, and is one scale times it.
  for (std::size_t i = 0; i + 700 < added.size(); ++i) ASSERT_NEAR(added[i], added[i + 700], 1e-6);
  std::vector<float> silence(100), other = sound;
  add_noise(silence, noise, 10, 77);
  EXPECT_EQ(silence, std::vector<float>(100));
  add_noise(other, std::vector<float>(50), 10, 77);
  EXPECT_EQ(other, sound);
}

TEST(Augment, WhiteNoiseIsNormal) {
  const auto noise = white_noise(200001, 2.0, 3);
  double sum = 0, cubes = 0, fourth = 0, neighbours = 0;
  for (std::size_t i = 0; i < noise.size(); ++i) {
    const double x = static_cast<double>(noise[i]) / 2;
    sum += x;
    cubes += x * x * x;
    fourth += x * x * x * x;
    if (i > 0) neighbours += x * static_cast<double>(noise[i - 1]) / 2;
  }
  const auto count = static_cast<double>(noise.size());
  EXPECT_NEAR(sum / count, 0, 0.01);
  EXPECT_NEAR(rms(noise), 2, 0.015);
  EXPECT_NEAR(cubes / count, 0, 0.04);
  EXPECT_NEAR(fourth / count, 3, 0.1);
  EXPECT_NEAR(neighbours / count, 0, 0.01);
}

TEST(Augment, Refusals) {
  AugmentConfig config;
  config.speeds = {0.9, 0};
  EXPECT_THROW(augment({}, config, {}, 0), DataError);
  config.speeds = {1};
  config.low_snr_db = 30;
  EXPECT_THROW(augment({}, config, {}, 0), DataError);
  EXPECT_TRUE(augment({}, AugmentConfig{}, {}, 0).empty());
}

// Resampled speed against the transform of the whole signal, by SciPy (as the other rates in test_audio).
TEST(Augment, SpeedMovesEveryFrequency) {
  for (const double speed : {0.9, 1.1}) {
    const auto changed = change_speed(sine(32000, 1000, 16000), speed), expected = sine(changed.size(), 1000 * speed, 16000);
    EXPECT_NEAR(static_cast<double>(changed.size()), 32000 / speed, 0.51);
    const std::size_t edge = 500;
    EXPECT_LT(largest_difference(std::span(changed).subspan(edge, changed.size() - 2 * edge),
                                 std::span(expected).subspan(edge, changed.size() - 2 * edge)),
              1e-4)
        << speed;
  }
}

TEST(SpecAugment, MasksAsPublished) {
  SpecAugment config;
  config.time_share = 0.2;
  std::map<std::int64_t, int> time_widths, mel_widths;
  double begins = 0;
  constexpr int draws = 10000;
  for (std::uint64_t row = 0; row < draws; ++row) {
    const FeatureMasks masks = draw_masks(config, 200, 80, random_key(3, 1, row));
    EXPECT_LE(masks.frames.size(), 2u);
    for (const auto& mask : masks.frames) {
      ASSERT_GE(mask.begin, 0);
      ASSERT_LE(mask.end, 200);
      ++time_widths[mask.end - mask.begin];
      begins += static_cast<double>(mask.begin) / static_cast<double>(200 - (mask.end - mask.begin)) / draws / 2;
    }
    for (const auto& mask : masks.mels) {
      ASSERT_LE(mask.end, 80);
      ++mel_widths[mask.end - mask.begin];
    }
  }
  // Widths are uniform: from 0 (no mask) to 40 = 0.2 · 200, and to 27.
  EXPECT_EQ(time_widths.size(), 40u);
  EXPECT_EQ(time_widths.rbegin()->first, 40);
  for (const auto& [width, count] : time_widths) EXPECT_NEAR(count, 2 * draws / 41.0, 110) << width;
  EXPECT_EQ(mel_widths.size(), 27u);
  for (const auto& [width, count] : mel_widths) EXPECT_NEAR(count, 2 * draws / 28.0, 130) << width;
  EXPECT_NEAR(begins, 0.5 * 40 / 41, 0.01);
  EXPECT_EQ(draw_masks(config, 200, 80, 9).frames, draw_masks(config, 200, 80, 9).frames);
  EXPECT_TRUE(draw_masks(config, 0, 0, 9).frames.empty());
}

TEST(SpecAugment, MaskedIsTheMean) {
  Features features{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 4, 3};
  apply_masks(features, {{{1, 2}}, {{2, 3}}});
  EXPECT_EQ(features.values, (std::vector<float>{1, 2, 6.5, 6.5, 6.5, 6.5, 7, 8, 6.5, 10, 11, 6.5}));
}

TEST(SpecAugment, SpansAsTransformersDraws) {
  THAW_NEEDS_PYTHON();
  const Folder folder;
  struct Case {
    const char* name;
    SpanMasks masks;
    std::int64_t length;
  };
  const Case cases[] = {{"wav2vec2", {0.05, 10, 2}, 499}, {"many", {0.65, 10, 0}, 300}, {"few", {0.01, 10, 0}, 160},
                        {"least", {0.0, 12, 3}, 100},     {"full", {1.0, 10, 0}, 25},   {"features", {0.1, 64, 0}, 768}};
  Json settings;
  for (const Case& one : cases)
    settings[one.name] = {
        {"probability", one.masks.probability}, {"span", one.masks.width}, {"least", one.masks.least}, {"length", one.length}};
  folder.write("settings.json", settings.dump());
  const Json verdict = folder.judged("spans");
  ASSERT_EQ(verdict.size(), std::size(cases));
  for (const Case& one : cases) {
    constexpr int draws = 4000;
    double share = 0, edge = 0, middle = 0;
    for (std::uint64_t row = 0; row < draws; ++row) {
      std::vector<int> masked(static_cast<std::size_t>(one.length));
      for (const MaskRange& span : draw_spans(one.masks, one.length, random_key(5, 2, row))) {
        ASSERT_EQ(span.end - span.begin, one.masks.width);
        ASSERT_LE(span.end, one.length);
        std::fill(masked.begin() + span.begin, masked.begin() + span.end, 1);
      }
      share += static_cast<double>(std::count(masked.begin(), masked.end(), 1)) / static_cast<double>(one.length) / draws;
      edge += masked.front() / static_cast<double>(draws);
      middle += masked[masked.size() / 2] / static_cast<double>(draws);
    }
    const Json& theirs = verdict[one.name];
    EXPECT_NEAR(share, theirs["share"].get<double>(), 0.01) << one.name;
    EXPECT_NEAR(edge, theirs["edge"].get<double>(), 0.03) << one.name;
    EXPECT_NEAR(middle, theirs["middle"].get<double>(), 0.04) << one.name;
  }
  EXPECT_TRUE(draw_spans({}, 9, 1).empty());
  EXPECT_EQ(draw_spans({}, 499, 1), draw_spans({}, 499, 1));
}

}  // namespace
}  // namespace thaw::audio
