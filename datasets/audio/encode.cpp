#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "datasets/audio/audio.h"

namespace thaw::audio {
namespace {

struct Target {
  std::string bytes;
  std::size_t at = 0;
};

SF_VIRTUAL_IO callbacks() {
  SF_VIRTUAL_IO io{};
  io.get_filelen = [](void* user) { return static_cast<sf_count_t>(static_cast<Target*>(user)->bytes.size()); };
  io.seek = [](sf_count_t offset, int whence, void* user) {
    Target& target = *static_cast<Target*>(user);
    const std::size_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? target.at : target.bytes.size();
    target.at = static_cast<std::size_t>(static_cast<sf_count_t>(from) + offset);
    return static_cast<sf_count_t>(target.at);
  };
  io.read = [](void* into, sf_count_t count, void* user) {
    Target& target = *static_cast<Target*>(user);
    const std::size_t got = target.bytes.copy(static_cast<char*>(into), static_cast<std::size_t>(count), target.at);
    target.at += got;
    return static_cast<sf_count_t>(got);
  };
  io.write = [](const void* from, sf_count_t count, void* user) {
    Target& target = *static_cast<Target*>(user);
    const auto size = static_cast<std::size_t>(count);
    target.bytes.resize(std::max(target.bytes.size(), target.at + size));
    std::memcpy(target.bytes.data() + target.at, from, size);
    target.at += size;
    return count;
  };
  io.tell = [](void* user) { return static_cast<sf_count_t>(static_cast<Target*>(user)->at); };
  return io;
}

}  // namespace

std::int16_t i16_of(float sample) { return static_cast<std::int16_t>(std::lrint(std::clamp(sample * 32768.0f, -32768.0f, 32767.0f))); }

std::string encode_audio(std::span<const float> samples, int sample_rate, AudioFormat format) {
  std::vector<std::int16_t> rounded(samples.size());
  std::transform(samples.begin(), samples.end(), rounded.begin(), i16_of);
  Target target;
  SF_VIRTUAL_IO io = callbacks();
  SF_INFO info{};
  info.samplerate = sample_rate;
  info.channels = 1;
  info.format = (format == AudioFormat::flac ? SF_FORMAT_FLAC : SF_FORMAT_WAV) | SF_FORMAT_PCM_16;
  SNDFILE* const file = sf_open_virtual(&io, SFM_WRITE, &info, &target);
  if (file == nullptr) throw DataError("a recording of {} Hz cannot be encoded: {}", sample_rate, sf_strerror(nullptr));
  const auto count = static_cast<sf_count_t>(rounded.size());
  const bool whole = sf_write_short(file, rounded.data(), count) == count;
  if (sf_close(file) != 0 || !whole) throw DataError("a recording of {} samples at {} Hz could not be encoded", count, sample_rate);
  return std::move(target.bytes);
}

}  // namespace thaw::audio
