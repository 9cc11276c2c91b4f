// What corpora ask of audio, whoever decodes it: a file's bytes into samples, with what was found on the way.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

inline constexpr int speech_sample_rate = 16000;  // Hz, of all samples inside Thaw: mono, fp32 in [-1, 1]

// The sample that 16 bits hold nearest to one in [-1, 1]; what lies outside stands at full scale.
inline std::int16_t i16_of(float sample) {
  return static_cast<std::int16_t>(std::lrint(std::clamp(sample * 32768.0f, -32768.0f, 32767.0f)));
}

struct DecodedAudio {
  std::vector<float> samples;  // of the stretch asked for, at `speech_sample_rate`
  double seconds = 0;          // of that stretch, decoded
  double file_seconds = 0;     // of the whole file, as its header says
  double peak = 0;             // of the file's own samples in that stretch, 1 at full scale
  double clipped_share = 0;    // of them at full scale
  std::string format;          // "flac", "wav", "mp3", …
  std::string lie;             // what the header promises and the file does not hold; empty where it is true
};

struct AudioReader {
  // The stretch from `begin_s` to `end_s` (none: the end) of a file; a stretch that begins behind the end has no samples.
  // DataError where the bytes cannot be decoded.
  std::function<DecodedAudio(std::string_view bytes, double begin_s, std::optional<double> end_s)> decode;
  // A FLAC file (16 bits, mono, at `speech_sample_rate`) of the samples.
  std::function<std::string(std::span<const float>)> encode_flac;
};

AudioReader sndfile_reader();  // by libsndfile (WAV, FLAC, OGG, MP3, …) and soxr

}  // namespace thaw
