// Recordings in and out: WAV, FLAC, OGG (Vorbis, Opus) and MP3 of any rate and number of channels, from files or from memory,
// as mono samples in [-1, 1] at the rate that is wanted. libsndfile decodes, soxr resamples (resample.h).
// A recording that cannot be read is an AudioError, whose fault says why; a file that is not there a FileError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/audio/faults.h"

namespace thaw::audio {

// An encoded recording in memory, as a shard holds it; `name` is for messages. Looked at, not kept.
struct AudioBytes {
  std::string_view name;
  std::span<const std::byte> bytes;
};

struct AudioInfo {
  int sample_rate = 0, channels = 0;
  std::optional<std::int64_t> frames;  // samples of each channel, as the header says; nothing where it does not
  bool estimated = false;              // by the size of an MP3 without a count (a Xing, Info or VBRI tag)
  std::string format;                  // WAV, FLAC, OGG or MP3
  double seconds() const { return static_cast<double>(frames.value_or(0)) / sample_rate; }
};

// What the header says; samples are not decoded.
AudioInfo inspect_audio(const std::filesystem::path& path);
AudioInfo inspect_audio(AudioBytes encoded);

struct ReadOptions {
  int sample_rate = 16000;
  double begin_s = 0;
  std::optional<double> end_s;  // to the end where there is none, or where it lies behind the end
  double max_s = 24 * 3600;     // longer: too_long, whatever the header says
};

struct Audio {
  std::vector<float> samples;  // the mean of all channels
  int sample_rate = 16000;
  float peak = 0;            // of |sample|, any channel, before resampling
  double clipped_share = 0;  // samples at full scale of all samples, any channel, before resampling
  double seconds() const { return static_cast<double>(samples.size()) / sample_rate; }
};

// A part is what the same samples of the whole would be: resampling sees a margin at both its sides.
Audio read_audio(const std::filesystem::path& path, const ReadOptions& options = {});
Audio read_audio(AudioBytes encoded, const ReadOptions& options = {});

// The 16-bit number nearest to a sample; what lies outside of [-1, 1] stands at full scale.
std::int16_t i16_of(float sample);

// Mono, 16 bits, lossless; rounded to nearest, what lies outside of [-1, 1] is cut off. The bytes of a file.
enum class AudioFormat { wav, flac };
std::string encode_audio(std::span<const float> samples, int sample_rate, AudioFormat format);

}  // namespace thaw::audio
