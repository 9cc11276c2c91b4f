// What the tests of speech share: tones, noise and files of them.
#pragma once

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <span>

#include "datasets/speech/corpus.h"
#include "datasets/speech/listener.h"
#include "framework/base/random.h"
#include "tests/datasets/shards/shard_testing.h"

namespace thaw {

inline std::vector<float> tone(double seconds, double hertz = 440, double peak = 0.5, int rate = 16000) {
  std::vector<float> samples(static_cast<std::size_t>(std::llround(seconds * rate)));
  for (std::size_t i = 0; i < samples.size(); ++i)
    samples[i] = static_cast<float>(peak * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / rate));
  return samples;
}

// The sample of 16 bits nearest to one in [-1, 1].
inline std::int16_t i16_of(float sample) {
  return static_cast<std::int16_t>(std::lrint(std::clamp(sample * 32768.0f, -32768.0f, 32767.0f)));
}

inline std::vector<float> decoded(std::string_view file, double begin_s = 0, std::optional<double> end_s = {}) {
  audio::ReadOptions options;
  options.begin_s = begin_s, options.end_s = end_s;
  return audio::read_audio({"a file in memory", std::as_bytes(std::span(file))}, options).samples;
}

// A file of 16 bits (or what the format has) by libsndfile itself.
inline void write_audio(const fs::path& path, const std::vector<float>& samples, int format = SF_FORMAT_WAV | SF_FORMAT_PCM_16,
                        int rate = 16000, int channels = 1) {
  fs::create_directories(path.parent_path());
  SF_INFO info{};
  info.samplerate = rate, info.channels = channels, info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  ASSERT_NE(file, nullptr) << sf_strerror(nullptr);
  std::vector<short> rounded(samples.size());
  std::transform(samples.begin(), samples.end(), rounded.begin(), i16_of);
  sf_writef_short(file, rounded.data(), static_cast<sf_count_t>(rounded.size()) / channels);
  sf_close(file);
}

inline constexpr int flac = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
inline constexpr int mp3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;

// What was left out, as "reason id".
inline std::vector<std::string> reasons(const std::vector<LeftOut>& left_out) {
  std::vector<std::string> all;
  for (const LeftOut& left : left_out) all.push_back(left.reason + " " + left.id);
  return all;
}

using Texts = std::vector<std::string>;

}  // namespace thaw
