// Bad recordings are told apart, with file, what was found and what was expected.
#include <gtest/gtest.h>

#include "framework/base/random.h"
#include "tests/datasets/audio/audio_testing.h"

// libsndfile 1.2.0 leaks what it had set up of an OGG whose headers turn out to be damaged.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:vorbis_\nleak:ogg_\nleak:opus_\n"; }

namespace thaw::audio {
namespace {

std::string wav(std::size_t samples = 8000) { return encode_audio(white_noise(samples, 0.1), 16000, AudioFormat::wav); }

std::string with_number(std::string bytes, std::size_t at, std::uint32_t value, std::size_t size) {
  const std::string number(reinterpret_cast<const char*>(&value), sizeof value);  // little-endian, as this machine is
  return bytes.replace(at, size, number, 0, size);
}

void expect_fault(const std::string& encoded, AudioFault fault, const std::string& said, const ReadOptions& options = {}) {
  try {
    read_audio(bytes_of(encoded, "x.wav"), options);
    ADD_FAILURE() << "read, expected: " << sentence(fault);
  } catch (const AudioError& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.fault(), fault) << message;
    EXPECT_EQ(error.code(), ExitCode::bad_data);
    EXPECT_EQ(message.find("x.wav: "), 0u) << message;
    EXPECT_NE(message.find(sentence(fault)), std::string::npos) << message;
    EXPECT_NE(message.find(said), std::string::npos) << message;
  }
}

TEST(AudioFaults, Headers) {
  // A canonical WAV header: channels at 22, rate at 24, bytes a second at 28, bytes a frame at 32, size of the samples at 40.
  ASSERT_EQ(wav().substr(36, 4), "data");
  expect_fault(with_number(wav(), 24, 44100, 4), AudioFault::impossible_rate, "44100 Hz, but 32000 bytes a second, which are 16000 Hz");
  expect_fault(with_number(with_number(wav(), 24, 3, 4), 28, 6, 4), AudioFault::impossible_rate, "3 Hz");
  expect_fault(with_number(wav(), 24, 0, 4), AudioFault::impossible_rate, "0 Hz");
  expect_fault(with_number(wav(), 22, 2, 2), AudioFault::impossible_channels, "2 channels of 16 bits, but 2 bytes");
  expect_fault(with_number(wav(), 22, 0, 2), AudioFault::impossible_channels, "0");
  expect_fault(with_number(wav(), 40, 20000, 4), AudioFault::wrong_length, "20000 bytes of samples, found 16000");
  EXPECT_EQ(read_audio(bytes_of(with_number(wav(), 40, 0xFFFFFFFFu, 4))).samples.size(), 8000u);  // written into a pipe
}

std::string chunk(const std::string& name, const std::string& content) {
  return with_number(name + "size", 4, static_cast<std::uint32_t>(content.size()), 4) + content;
}

// Behind the samples that a header promises there may be chunks, tags, zeros and a little rubbish, but no more samples.
TEST(AudioFaults, MoreSamplesThanPromised) {
  const std::string part = with_number(wav(), 40, 1600, 4);
  expect_fault(part, AudioFault::hidden_samples, "1600 bytes of samples, found 16000");
  expect_fault(with_number(part, 4, 1636, 4), AudioFault::hidden_samples, "found 16000");  // RIFF's own size says the same
  expect_fault(with_number(part, 4, 0xFFFFFFFFu, 4), AudioFault::hidden_samples, "found 16000");
  expect_fault(with_number(wav(), 40, 1601, 4), AudioFault::hidden_samples, "1601 bytes");
  EXPECT_THROW(inspect_audio(bytes_of(part)), AudioError);
  const auto count = [](const std::string& bytes) { return read_audio(bytes_of(bytes)).samples.size(); };
  const std::string list = chunk("LIST", "INFO" + chunk("ICMT", std::string(3000, 'c'))), noise(3000, '\x81');
  for (const std::string& rest : {list, chunk("id3 ", noise), chunk("abcd", noise), list.substr(0, 2000), "TAG" + noise, "ID3" + noise,
                                  "APETAGEX" + noise, "bext" + noise, std::string(4096, '\0'), noise.substr(0, 1000)})
    EXPECT_EQ(count(wav() + rest), 8000u) << rest.substr(0, 4);
  // An odd number of bytes, with and without the byte that makes it even.
  std::string odd = wav() + list;
  odd.erase(44 + 15999, 1);
  odd = with_number(odd, 40, 15999, 4);
  EXPECT_EQ(count(odd), 7999u);
  EXPECT_EQ(count(odd.insert(44 + 15999, 1, '\0')), 7999u);
  // Written into a pipe.
  for (const std::uint32_t riff : {0u, 0xFFFFFFFFu}) {
    EXPECT_EQ(count(with_number(wav(), 4, riff, 4)), 8000u) << riff;
    EXPECT_EQ(count(with_number(with_number(wav(), 4, riff, 4), 40, 0xFFFFFFFFu, 4)), 8000u) << riff;
  }
}

TEST(AudioFaults, CutOff) {
  for (const AudioFormat format : {AudioFormat::wav, AudioFormat::flac}) {
    const std::string whole = encode_audio(white_noise(160000, 0.1), 16000, format);
    expect_fault(whole.substr(0, whole.size() / 2), AudioFault::wrong_length, "");
    ReadOptions early;
    early.end_s = 1;
    if (format == AudioFormat::wav) continue;  // its header is known to be wrong before anything is decoded
    EXPECT_EQ(read_audio(bytes_of(whole.substr(0, whole.size() / 2)), early).samples.size(), 16000u);
  }
}

TEST(AudioFaults, CutOffAndLossy) {
  const Folder folder;
  const auto sound = white_noise(160000, 0.1);
  for (const int format : {SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_OGG | SF_FORMAT_OPUS}) {
    std::string whole = read_file(write_sound(folder.path() / "x", format, 16000, 1, sound));
    const std::string half = whole.substr(0, whole.size() / 2);
    expect_fault(half, AudioFault::wrong_length, "");
    ReadOptions early;
    early.end_s = 1;
    EXPECT_EQ(read_audio(bytes_of(half), early).samples.size(), 16000u);
    if (const std::size_t tag = whole.substr(0, 64).find("Info"); tag != std::string::npos) {  // without a count no one can tell
      EXPECT_FALSE(inspect_audio(bytes_of(whole)).estimated);
      whole.replace(tag, 4, "none");
      EXPECT_TRUE(inspect_audio(bytes_of(whole)).estimated);
      EXPECT_NEAR(read_audio(bytes_of(whole.substr(0, whole.size() / 2))).seconds(), 5, 0.5);
    }
  }
}

TEST(AudioFaults, NotAudio) {
  expect_fault("", AudioFault::empty, "0 bytes");
  expect_fault("<!DOCTYPE html><html>not found</html>", AudioFault::unreadable, "first bytes");
  expect_fault(std::string("RIFF\0\0\0\0WAVE", 12), AudioFault::unreadable, "");
  expect_fault("fLaC and nothing of it", AudioFault::unreadable, "");
  expect_fault(encode_audio({}, 16000, AudioFormat::wav), AudioFault::empty, "");
  std::string damaged = encode_audio(white_noise(16000, 0.1), 16000, AudioFormat::flac);
  for (std::size_t i = 0; i < 400; ++i) damaged[damaged.size() / 2 + i] = static_cast<char>(i * 37);
  EXPECT_THROW(read_audio(bytes_of(damaged)), AudioError);
  const Folder folder;
  EXPECT_THROW(read_audio(folder.write("empty.wav", "")), AudioError);
  std::vector<float> numbers(1000, 0.1f);
  numbers[500] = NAN;
  write_sound(folder.path() / "nan.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, numbers);
  EXPECT_THROW(read_audio(folder.path() / "nan.wav"), AudioError);
  // Finite, but not in the sum of two channels.
  numbers[500] = numbers[501] = 2.5e38f;
  write_sound(folder.path() / "loud.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 2, numbers);
  expect_fault(read_file(folder.path() / "loud.wav"), AudioFault::unreadable, "a sample of 2.5e+38");
}

TEST(AudioFaults, PartsAndLimits) {
  ReadOptions options;
  options.begin_s = 0.5;
  expect_fault(wav(), AudioFault::empty, "begin is 0.5 s, the end 0.500 s", options);
  options.begin_s = -1;
  EXPECT_THROW(read_audio(bytes_of(wav()), options), DataError);
  options.begin_s = NAN;
  EXPECT_THROW(read_audio(bytes_of(wav()), options), DataError);
  options = {};
  options.max_s = 0.4;
  expect_fault(wav(), AudioFault::too_long, "0.4 s", options);
}

// What resampling hears beside a part, and what is decoded to reach it, is not judged.
TEST(AudioFaults, APartIsJudgedByItself) {
  const Folder folder;
  auto sound = white_noise(10 * 22050, 0.3);
  std::fill(sound.begin() + 4 * 22050, sound.begin() + 6 * 22050, 0.0f);
  std::string uncounted = read_file(write_sound(folder.path() / "x", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 22050, 1, sound));
  uncounted.replace(std::min(uncounted.find("Info"), uncounted.find("Xing")), 4, "none");
  ASSERT_TRUE(inspect_audio(bytes_of(uncounted)).estimated);
  EXPECT_LT(inspect_audio(bytes_of(uncounted)).seconds(), 8) << "a wrong estimate";
  EXPECT_NEAR(read_audio(bytes_of(uncounted)).seconds(), 10, 0.15) << "all of it is heard";
  for (const std::string& junk :
       {std::string(4096, '\0'), "LYRICSBEGIN" + std::string(3000, 'x') + "LYRICS200", "TAG" + std::string(125, ' ')})
    EXPECT_NEAR(read_audio(bytes_of(uncounted + junk)).seconds(), 10, 0.15) << junk.substr(0, 3);
  for (const std::string& recording : {encode_audio(sound, 22050, AudioFormat::wav), uncounted}) {
    ReadOptions options;
    options.max_s = 2;
    for (const double begin : {0.0, 3.3, 7.9}) {
      options.begin_s = begin;
      options.end_s = begin + 2;
      EXPECT_EQ(read_audio(bytes_of(recording), options).samples.size(), 32000u) << begin;
      options.end_s = begin + 2.001;
      expect_fault(recording, AudioFault::too_long, "more than 2 s", options);
    }
    options.begin_s = 1;
    options.end_s.reset();
    expect_fault(recording, AudioFault::too_long, "more than 2 s", options);
    options.begin_s = recording == uncounted ? 4.4 : 4.02;  // a codec blurs where silence begins
    options.end_s = 5.92;
    EXPECT_EQ(find_fault(read_audio(bytes_of(recording), options)), AudioFault::silent);
  }
}

TEST(AudioFaults, Samples) {
  const auto fault = [](std::span<const float> samples) {
    return find_fault(read_audio(bytes_of(encode_audio(samples, 16000, AudioFormat::wav))));
  };
  EXPECT_EQ(fault(white_noise(16000, 0.1)), std::nullopt);
  EXPECT_EQ(fault(white_noise(1599, 0.1)), AudioFault::too_short);
  EXPECT_EQ(fault(white_noise(16000, 1e-4)), AudioFault::silent);
  EXPECT_EQ(fault(sine(16000, 300, 16000, 0.999)), std::nullopt);
  EXPECT_EQ(fault(sine(16000, 300, 16000, 1.1)), AudioFault::clipped);
  AudioLimits limits;
  limits.max_s = 0.5;
  Audio audio;
  EXPECT_EQ(find_fault(audio), AudioFault::empty);
  audio.samples.resize(16000);
  audio.peak = 0.5f;
  EXPECT_EQ(find_fault(audio, limits), AudioFault::too_long);
  // Two of three seconds at full scale, seen before channels are mixed and rates changed.
  const Folder folder;
  auto loud = sine(96000, 200, 32000, 1.3);
  for (float& sample : loud) sample = std::clamp(sample, -1.0f, 1.0f);
  const Audio clipped = read_audio(write_sound(folder.path() / "stereo.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 32000, 2, loud));
  EXPECT_NEAR(clipped.clipped_share, 1 - 2 * std::asin(1 / 1.3) / 3.14159265358979, 0.01);
}

// Damaged bytes are read or refused, never a crash (run it under address sanitizer).
TEST(AudioFaults, Mutations) {
  const Folder folder;
  const auto sound = white_noise(6000, 0.1);
  std::vector<std::string> all{encode_audio(sound, 16000, AudioFormat::wav), encode_audio(sound, 16000, AudioFormat::flac)};
  for (const int format : {SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_OGG | SF_FORMAT_OPUS})
    all.push_back(read_file(write_sound(folder.path() / "x", format, 16000, 1, sound)));
  int read = 0, refused = 0;
  for (std::uint64_t trial = 0; trial < 600; ++trial) {
    std::string bytes = all[trial % all.size()];
    for (std::uint64_t change = 0; change < 1 + trial % 4; ++change) {
      const auto number = philox(random_key(1, trial), change);
      bytes[number[0] % (number[1] % 2 ? bytes.size() : 100)] ^= static_cast<char>(1 << number[2] % 8);
    }
    try {
      read_audio(bytes_of(bytes));
      ++read;
    } catch (const AudioError&) {
      ++refused;
    }
  }
  EXPECT_GT(read, 50);
  EXPECT_GT(refused, 50);
}

}  // namespace
}  // namespace thaw::audio
