// Voice in a long recording: sentences of LJ Speech, joined with pauses of known length, in several noises and at several levels.
#include <gtest/gtest.h>

#include "datasets/audio/augment.h"
#include "datasets/audio/voice.h"
#include "framework/base/error.h"
#include "framework/base/random.h"
#include "tests/datasets/audio/audio_testing.h"

namespace thaw::audio {
namespace {

struct Joined {
  std::vector<float> samples;
  std::vector<TimeSpan> sentences;  // where they are audible
};

// Begin and end of what is within 35 dB of a sentence's loudest hundredth of a second: its own silences do not count.
TimeSpan audible(std::span<const float> samples) {
  std::vector<double> levels;
  for (std::size_t at = 0; at + 160 <= samples.size(); at += 160) levels.push_back(rms(samples.subspan(at, 160)));
  const double least = *std::max_element(levels.begin(), levels.end()) * std::pow(10, -35 / 20.0);
  const auto loud = [&](double level) { return level >= least; };
  const auto first = std::find_if(levels.begin(), levels.end(), loud) - levels.begin();
  const auto last = levels.rend() - std::find_if(levels.rbegin(), levels.rend(), loud);
  return {static_cast<double>(first) / 100, static_cast<double>(last) / 100};
}

Joined joined(std::size_t count) {
  Joined all;
  std::uint64_t number = 0;
  for (const fs::path& path : recordings(data_folder() / "ljspeech_340", count)) {
    const double pause_s = 0.8 + 2.4 * uniform(3, number++);
    all.samples.resize(all.samples.size() + static_cast<std::size_t>(pause_s * 16000));
    const double begin = static_cast<double>(all.samples.size()) / 16000;
    const std::vector<float> sentence = read_audio(path).samples;
    const TimeSpan region = audible(sentence);
    all.sentences.push_back({begin + region.begin_s, begin + region.end_s});
    all.samples.insert(all.samples.end(), sentence.begin(), sentence.end());
  }
  all.samples.resize(all.samples.size() + 16000);
  return all;
}

// Shares of hundredths of a second: voice that was missed, and silence between sentences that was taken for voice.
struct Errors {
  double missed = 0, added = 0;
};

Errors errors(const Joined& truth, const std::vector<TimeSpan>& regions) {
  const auto frames = truth.samples.size() / 160;
  const auto marked = [&](const std::vector<TimeSpan>& all, double margin) {
    std::vector<bool> marks(frames);
    for (const TimeSpan& region : all)
      for (std::size_t i = 0; i < frames; ++i) {
        const double at = static_cast<double>(i) / 100;
        if (at >= region.begin_s - margin && at < region.end_s + margin) marks[i] = true;
      }
    return marks;
  };
  // Pauses within a sentence are no errors, nor is what is padded around it.
  const auto spoken = marked(truth.sentences, 0), around = marked(truth.sentences, 0.25), found = marked(regions, 0);
  double voice = 0, silence = 0;
  Errors result;
  for (std::size_t i = 0; i < frames; ++i) {
    if (spoken[i]) {
      const double level = rms(std::span(truth.samples).subspan(i * 160, 160));
      if (level < 0.02) continue;  // a pause within
      ++voice;
      result.missed += !found[i];
    } else if (!around[i]) {
      ++silence;
      result.added += found[i];
    }
  }
  return {result.missed / voice, result.added / silence};
}

std::vector<float> low_noise(std::size_t count) {  // as of fans and engines: most of it below 300 Hz
  auto noise = white_noise(count, 1, 8);
  for (std::size_t i = 1; i < count; ++i) noise[i] = 0.95f * noise[i - 1] + 0.05f * noise[i];
  return noise;
}

TEST(Voice, FindsSentencesAtAnyLevelAndInSteadyNoise) {
  const Joined clean = joined(12);
  if (clean.sentences.empty()) GTEST_SKIP() << "no recordings of LJ Speech in " << data_folder();
  struct Case {
    const char* name;
    double gain_db, snr_db;
    bool low;
  };
  for (const Case& one : {Case{"clean", 0, 200, false},
                          {"quiet", -40, 200, false},
                          {"white 20 dB", 0, 20, false},
                          {"white 10 dB", 0, 10, false},
                          {"white 10 dB, quiet", -40, 10, false},
                          {"low 10 dB", 0, 10, true},
                          {"low 0 dB", -20, 0, true}}) {
    std::vector<float> samples = clean.samples;
    add_noise(samples, one.low ? low_noise(samples.size()) : std::vector<float>(), one.snr_db, 4);
    apply_gain(samples, one.gain_db);
    const auto regions = VoiceActivity(samples, 16000).regions();
    const Errors wrong = errors(clean, regions);
    fmt::print("{}: {} regions, {:.2f} % of voice missed, {:.2f} % of silence added\n", one.name, regions.size(), 100 * wrong.missed,
               100 * wrong.added);
    EXPECT_LE(wrong.missed, 0.02) << one.name;
    EXPECT_LE(wrong.added, 0.03) << one.name;
    for (std::size_t i = 1; i < regions.size(); ++i) EXPECT_GT(regions[i].begin_s, regions[i - 1].end_s);
    EXPECT_GE(regions.front().begin_s, 0);
    EXPECT_LE(regions.back().end_s, static_cast<double>(samples.size()) / 16000);
  }
}

TEST(Voice, NothingToHear) {
  for (const std::size_t size : {0, 1, 159, 160, 16000 * 40})
    EXPECT_TRUE(VoiceActivity(std::vector<float>(size), 16000).regions().empty()) << size;
  for (const double level : {1e-4, 0.1, 1.0}) {
    double found = 0;
    for (const TimeSpan& region : VoiceActivity(white_noise(16000 * 60, level, 11), 16000).regions()) found += region.seconds();
    EXPECT_LT(found, 0.6) << level;
  }
  EXPECT_THROW(VoiceActivity(std::vector<float>(100), 4000), DataError);
}

}  // namespace
}  // namespace thaw::audio
