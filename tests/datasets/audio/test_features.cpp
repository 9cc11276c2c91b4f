// Features are those of the reference implementations, on real recordings and on ones of any length.
#include <gtest/gtest.h>

#include "datasets/audio/fbank.h"
#include "datasets/audio/log_mel.h"
#include "datasets/audio/normalize.h"
#include "tests/datasets/audio/audio_testing.h"

namespace thaw::audio {
namespace {

// Recordings at 16 kHz by name, written beside what is computed of them.
std::vector<std::pair<std::string, std::vector<float>>> inputs(std::size_t of_each) {
  std::vector<std::pair<std::string, std::vector<float>>> all;
  for (const fs::path& path : real_recordings(of_each))
    all.emplace_back(fmt::format("{}-{}", all.size(), path.stem().string()), read_audio(path).samples);
  std::vector<float> long_one;
  for (const auto& [name, samples] : all) long_one.insert(long_one.end(), samples.begin(), samples.end());
  const std::vector<float> noise = white_noise(16000 * 30 + 777, 0.1);  // where there are few real recordings
  if (long_one.size() < noise.size())
    long_one.insert(long_one.end(), noise.begin() + static_cast<std::ptrdiff_t>(long_one.size()), noise.end());
  long_one.resize(noise.size());
  all.emplace_back("longer-than-a-chunk", long_one);
  for (const std::size_t size : {201, 399, 400, 401, 479, 16000, 479700})
    all.emplace_back(fmt::format("noise-{}", size), white_noise(size, 0.1));
  all.emplace_back("silence", std::vector<float>(8000));
  all.emplace_back("tone", sine(20000, 1000, 16000));
  return all;
}

// Each verdict of the judge is about so many recordings, and within the tolerance; of a reference that rounds as well, within twice that.
void expect_close(const Json& verdict, std::size_t recordings, double tolerance) {
  ASSERT_FALSE(verdict.empty());
  for (const auto& [name, judged] : verdict.items()) {
    EXPECT_EQ(judged["recordings"], recordings) << name;
    EXPECT_LE(judged["difference"].get<double>(), name.ends_with(", fp32") ? 2 * tolerance : tolerance) << name << ": " << judged.dump();
    fmt::print("{}: {}\n", name, judged.dump());
  }
}

TEST(LogMel, EqualsTransformersAndOpenAI) {
  THAW_NEEDS_PYTHON();
  const Folder folder;
  const auto all = inputs(8);
  for (const auto& [name, samples] : all) {
    folder.write(name + ".samples", samples);
    for (const int mels : {80, 128}) {
      LogMelConfig config;
      config.mels = mels;
      const LogMel log_mel(config);
      const Features chunk = log_mel(samples), actual = log_mel(samples, LogMel::Length::actual);
      EXPECT_EQ(chunk.frames, 3000);
      EXPECT_EQ(actual.frames, static_cast<std::int64_t>(samples.size()) / 160);
      folder.write(fmt::format("{}.chunk{}", name, mels), chunk.values);
      folder.write(fmt::format("{}.actual{}", name, mels), actual.values);
    }
  }
  expect_close(folder.judged("log_mel"), all.size(), 1e-4);
}

TEST(LogMel, ShortRecordingsAreReflectedAgain) {
  THAW_NEEDS_PYTHON();
  const Folder folder;
  std::size_t count = 0;
  for (const std::size_t size : {160, 161, 199, 200}) {
    const std::string name = fmt::format("{}", size);
    folder.write(name + ".samples", white_noise(size, 0.1));
    folder.write(name + ".actual80", LogMel()(white_noise(size, 0.1), LogMel::Length::actual).values);
    ++count;
  }
  expect_close(folder.judged("reflection"), count, 1e-4);
}

TEST(LogMel, NothingAndNextToNothing) {
  for (const std::size_t size : {0, 1, 2, 159}) {
    const std::vector<float> samples(size, 0.5f);
    EXPECT_EQ(LogMel()(samples, LogMel::Length::actual).frames, 0);
    const Features padded = LogMel()(samples);
    EXPECT_EQ(padded.values.size(), 3000u * 80u);
    for (const float value : padded.values) ASSERT_TRUE(std::isfinite(value));
  }
  EXPECT_FLOAT_EQ(LogMel()(std::vector<float>{}).values[0], (-10 + 4) / 4.0f);
}

// What was built for each instruction set is in one program: they agree, whichever this machine would choose.
TEST(LogMel, EveryInstructionSet) {
  const auto samples = white_noise(16000, 0.1);
  const MelSpectrum spectrum(400, std::vector<float>(400, 1.0f), slaney_filters(80, 400, 16000, 0, 8000), 1e-10f, 1);
  std::vector<float> chosen(90 * 80);
  spectrum(samples.data(), 160, 90, chosen.data());
  for (const SpectrumKernel* kernel : {&spectrum_kernel_base(), &spectrum_kernel_avx2(), &spectrum_kernel_avx512()}) {
    const std::string_view name = kernel->name;
    if (name == "avx2" && !__builtin_cpu_supports("avx2")) continue;
    if (name == "avx512" && !__builtin_cpu_supports("avx512dq")) continue;
    std::vector<float> own(90 * 80);
    spectrum.run(*kernel, samples.data(), 160, 90, own.data());
    EXPECT_LT(largest_difference(chosen, own), 2e-4) << name;
  }
}

TEST(Fbank, EqualsKaldi) {
  THAW_NEEDS_PYTHON();
  const Folder folder;
  auto all = inputs(5);
  std::erase_if(all, [](const auto& input) { return input.second.size() < 401; });
  FbankConfig mels23, edges, plain;
  mels23.mels = 23;
  edges.snip_edges = false;
  plain.preemphasis = 0;
  plain.remove_dc_offset = false;
  plain.low_hz = 60;
  plain.high_hz = -400;
  for (const auto& [name, samples] : all) {
    folder.write(name + ".samples", samples);
    folder.write(name + ".fbank", Fbank()(samples).values);
    folder.write(name + ".fbank23", Fbank(mels23)(samples).values);
    folder.write(name + ".edges", Fbank(edges)(samples).values);
    folder.write(name + ".plain", Fbank(plain)(samples).values);
  }
  expect_close(folder.judged("fbank"), all.size(), 2e-3);
  EXPECT_EQ(Fbank()(std::vector<float>(399)).frames, 0);
  EXPECT_EQ(Fbank()(std::vector<float>(400)).frames, 1);
}

TEST(Fbank, DitherIsAPureFunctionOfItsKey) {
  FbankConfig config;
  config.dither = 1;
  config.dither_key = 7;
  const std::vector<float> silence(16000);
  const Features one = Fbank(config)(silence), again = Fbank(config)(silence);
  EXPECT_EQ(one.values, again.values);
  config.dither_key = 8;
  EXPECT_NE(Fbank(config)(silence).values, one.values);
  EXPECT_GT(one.values[40], -3);  // without it: the logarithm of the smallest energy, -15.9
}

TEST(Normalize, EqualsTransformers) {
  THAW_NEEDS_PYTHON();
  const Folder folder;
  const auto all = inputs(4);
  for (const auto& [name, samples] : all) {
    folder.write(name + ".samples", samples);
    folder.write(name + ".no", samples);
    std::vector<float> normal = samples;
    zero_mean_unit_variance(normal);
    folder.write(name + ".yes", normal);
  }
  expect_close(folder.judged("normalize"), all.size(), 1e-4);
}

TEST(PreprocessorConfig, ValuesDefaultsAndRefusals) {
  const Folder folder;
  EXPECT_EQ(LogMelConfig::read(folder.path()).mels, 80);
  folder.write("processor_config.json",
               R"({"feature_extractor": {"feature_size": 128, "feature_extractor_type": "WhisperFeatureExtractor"}})");
  EXPECT_EQ(LogMelConfig::read(folder.path()).mels, 128);
  folder.write("preprocessor_config.json", R"({"feature_size": 96, "n_fft": 512, "hop_length": 128, "chunk_length": 10})");
  const LogMelConfig config = LogMelConfig::read(folder.path());
  EXPECT_EQ(config.mels, 96);
  EXPECT_EQ(LogMel(config)(std::vector<float>(10)).frames, 1250);
  folder.write("preprocessor_config.json", R"({"do_normalize": false, "feature_extractor_type": "Wav2Vec2FeatureExtractor"})");
  EXPECT_FALSE(WaveformConfig::read(folder.path()).do_normalize);
  EXPECT_TRUE(WaveformConfig::read(folder.path() / "none").do_normalize);
  EXPECT_THROW(LogMelConfig::read(folder.path()), ModelError);
  folder.write("preprocessor_config.json", R"({"n_fft": -400})");
  EXPECT_THROW(LogMelConfig::read(folder.path()), ModelError);
  folder.write("preprocessor_config.json", R"({"n_fft": 398})");
  EXPECT_THROW(LogMel(LogMelConfig::read(folder.path())), ModelError);  // 199 is prime
  folder.write("preprocessor_config.json", R"({"num_mel_bins": 40})");
  EXPECT_EQ(FbankConfig::read(folder.path()).mels, 40);
  folder.write("preprocessor_config.json", "[]");
  EXPECT_THROW(FbankConfig::read(folder.path()), ModelError);
}

}  // namespace
}  // namespace thaw::audio
