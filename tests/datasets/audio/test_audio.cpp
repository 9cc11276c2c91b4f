// Recordings as other decoders read them; parts, channels, rates; what is written is read again.
#include <gtest/gtest.h>

#include "datasets/audio/resample.h"
#include "tests/datasets/audio/audio_testing.h"

namespace thaw::audio {
namespace {

ReadOptions at_rate(int sample_rate, double begin_s = 0, std::optional<double> end_s = std::nullopt) {
  ReadOptions options;
  options.sample_rate = sample_rate;
  options.begin_s = begin_s;
  options.end_s = end_s;
  return options;
}

// Speech-like: harmonics of 150 Hz under a moving envelope.
std::vector<float> voice_like(std::size_t count, double rate) {
  std::vector<float> all(count);
  for (int harmonic = 1; harmonic <= 12; ++harmonic) {
    const auto part = sine(count, 150.0 * harmonic, rate, 0.3 / harmonic);
    for (std::size_t i = 0; i < count; ++i)
      all[i] += part[i] * static_cast<float>(0.6 + 0.4 * std::sin(6.0 * static_cast<double>(i) / rate));
  }
  return all;
}

struct Lossy {
  const char* name;
  int format;
  double tolerance;  // ours and ffmpeg's decoders round in other places
};
constexpr Lossy lossy[] = {{"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 1e-3},
                           {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 1e-3},
                           {"b.ogg", SF_FORMAT_OGG | SF_FORMAT_OPUS, 5e-3}};

TEST(ReadAudio, EqualsOtherDecoders) {
  THAW_NEEDS_PYTHON();
  const Folder folder;
  std::vector<fs::path> paths = real_recordings(4);
  const auto sound = voice_like(48000, 24000);
  std::vector<float> stereo;
  for (std::size_t i = 0; i < sound.size(); ++i) stereo.insert(stereo.end(), {sound[i], -0.5f * sound[sound.size() - 1 - i]});
  for (const Lossy& codec : lossy) {
    const int rate = codec.format == (SF_FORMAT_OGG | SF_FORMAT_OPUS) ? 48000 : 24000;  // ffmpeg gives Opus at 48 kHz alone
    paths.push_back(write_sound(folder.path() / codec.name, codec.format, rate, 1, sound));
    paths.push_back(write_sound(folder.path() / fmt::format("stereo-{}", codec.name), codec.format, rate, 2, stereo));
  }
  paths.push_back(write_sound(folder.path() / "stereo.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 2, stereo));
  Json names;
  for (const fs::path& path : paths) {
    const std::string name = fmt::format("{}-{}", names.size(), path.filename().string());
    const AudioInfo info = inspect_audio(path);
    names[name] = path.string();
    folder.write(name + ".decoded", read_audio(path, at_rate(info.sample_rate)).samples);
  }
  folder.write("paths.json", names.dump());
  const Json verdict = folder.judged("decode");
  ASSERT_EQ(verdict.size(), paths.size());
  for (const auto& [name, judged] : verdict.items()) {
    double tolerance = 1e-7;
    for (const Lossy& codec : lossy)
      if (name.ends_with(codec.name)) tolerance = codec.tolerance;
    EXPECT_LE(judged["difference"].get<double>(), tolerance) << name << judged.dump();
    // Decoders differ in how much of a lossy codec's last block they give.
    EXPECT_NEAR(judged["samples"].get<double>(), judged["theirs"].get<double>(), tolerance < 1e-6 ? 0 : 1300) << name;
  }
}

TEST(ReadAudio, InspectedWithoutDecoding) {
  const Folder folder;
  const auto sound = voice_like(24000, 24000);
  for (const Lossy& codec : lossy) {
    const AudioInfo info = inspect_audio(write_sound(folder.path() / codec.name, codec.format, 24000, 1, sound));
    EXPECT_EQ(info.format, std::string(codec.name).ends_with("mp3") ? "MP3" : "OGG");
    EXPECT_EQ(info.channels, 1);
    EXPECT_NEAR(info.seconds(), 1, 0.06) << codec.name;
  }
  const AudioInfo wav = inspect_audio(write_sound(folder.path() / "a.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 8000, 3, sound));
  EXPECT_EQ(wav.format, "WAV");
  EXPECT_EQ(wav.sample_rate, 8000);
  EXPECT_EQ(wav.channels, 3);
  EXPECT_EQ(wav.frames, 8000);
  EXPECT_DOUBLE_EQ(wav.seconds(), 1);
  EXPECT_THROW(inspect_audio(folder.path() / "none.wav"), FileError);
}

TEST(ReadAudio, APartIsTheSameAsInTheWhole) {
  const Folder folder;
  const auto sound = voice_like(44100 * 3, 44100);
  std::vector<fs::path> paths;
  for (const int rate : {44100, 22050, 16000, 11025, 48000, 44101})
    paths.push_back(write_sound(folder.path() / fmt::format("{}.flac", rate), SF_FORMAT_FLAC | SF_FORMAT_PCM_16, rate, 1, sound));
  for (const Lossy& codec : lossy) paths.push_back(write_sound(folder.path() / codec.name, codec.format, 24000, 1, sound));
  for (const fs::path& path : paths) {
    const auto whole = read_audio(path).samples;
    for (const auto& [begin, end] : {std::pair(0.0, 0.5), {0.25, 1.0}, {0.7331, 1.2345}, {1.5, 100.0}}) {
      const auto part = read_audio(path, at_rate(16000, begin, end)).samples;
      const auto from = static_cast<std::size_t>(std::llround(begin * 16000));
      const std::size_t to = std::min<std::size_t>(static_cast<std::size_t>(std::llround(end * 16000)), whole.size());
      ASSERT_EQ(part.size(), to - from) << path << begin;
      // A lossy decoder that begins in the middle has not heard what came before.
      const double tolerance = path.extension() == ".flac" ? 2e-5 : 5e-3;
      EXPECT_LE(largest_difference(part, std::span(whole).subspan(from, to - from)), tolerance) << path << " from " << begin;
    }
  }
}

TEST(ReadAudio, MemoryAndFileAreTheSame) {
  for (const fs::path& path : recordings(data_folder() / "ljspeech_340", 1)) {
    const std::string encoded = read_file(path);
    EXPECT_EQ(read_audio(bytes_of(encoded)).samples, read_audio(path).samples);
    EXPECT_EQ(inspect_audio(bytes_of(encoded)).frames, inspect_audio(path).frames);
  }
}

TEST(ReadAudio, WrittenIsReadAgain) {
  auto sound = white_noise(16001, 0.2);
  sound[7] = 1.5f;
  sound[8] = -1.5f;
  for (const AudioFormat format : {AudioFormat::wav, AudioFormat::flac}) {
    const std::string encoded = encode_audio(sound, 16000, format);
    const auto read = read_audio(bytes_of(encoded)).samples;
    ASSERT_EQ(read.size(), sound.size());
    for (std::size_t i = 0; i < sound.size(); ++i) ASSERT_NEAR(read[i], std::clamp(sound[i], -1.0f, 32767 / 32768.0f), 0.501 / 32768);
    EXPECT_EQ(encode_audio(read, 16000, format), encoded);
  }
  EXPECT_LT(encode_audio(std::vector<float>(16000), 16000, AudioFormat::flac).size(), 10000u);
}

TEST(Resample, EqualsTheTransformOfTheWhole) {
  THAW_NEEDS_PYTHON();
  const Folder folder;
  for (const auto& [from, to] :
       {std::pair(22050.0, 16000.0), {44100.0, 16000.0}, {8000.0, 16000.0}, {48000.0, 16000.0}, {14400.0, 16000.0}, {17600.0, 16000.0}}) {
    std::vector<float> sound(static_cast<std::size_t>(from) * 2);
    const double band = 0.8 * std::min(from, to) / 2;
    for (int tone = 1; tone <= 20; ++tone) {
      const auto part = sine(sound.size(), band * tone / 20 - 13.7, from, 0.04);
      for (std::size_t i = 0; i < sound.size(); ++i)
        sound[i] +=
            part[i] * static_cast<float>(0.5 - 0.5 * std::cos(2 * 3.14159265 * static_cast<double>(i) / static_cast<double>(sound.size())));
    }
    const std::string name = fmt::format("tones{}", from);
    folder.write(name + ".samples", sound);
    folder.write(fmt::format("{}-{}-{}.resampled", name, from, to), resample(sound, from, to));
  }
  const Json verdict = folder.judged("resample");
  EXPECT_EQ(verdict.size(), 6u);
  for (const auto& [name, judged] : verdict.items()) {
    EXPECT_LE(judged["difference"].get<double>(), 1e-4) << name << judged.dump();
    EXPECT_EQ(judged["samples"], judged["expected"]) << name;
  }
}

// What lies above the new Nyquist frequency is gone, and does not come back as an alias.
TEST(Resample, NoAliases) {
  const auto high = resample(sine(44100, 10000, 44100), 44100, 16000);
  EXPECT_LT(rms(std::span(high).subspan(800, 14400)), 1e-5);
  const auto low = resample(sine(44100, 6900, 44100), 44100, 16000);
  EXPECT_NEAR(rms(std::span(low).subspan(800, 14400)), 0.5 / std::sqrt(2.0), 1e-3);
}

}  // namespace
}  // namespace thaw::audio
