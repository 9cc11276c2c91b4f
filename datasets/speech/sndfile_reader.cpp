#include <sndfile.h>
#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "datasets/speech/audio_reader.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

constexpr float full_scale = 0.999f;

// A file in memory, as libsndfile reads and writes one.
struct Memory {
  std::string_view bytes;
  std::string* grown = nullptr;  // where it is written
  sf_count_t at = 0;

  sf_count_t size() const { return static_cast<sf_count_t>(grown != nullptr ? grown->size() : bytes.size()); }
};

SF_VIRTUAL_IO in_memory() {
  return {[](void* user) { return static_cast<Memory*>(user)->size(); },
          [](sf_count_t offset, int whence, void* user) {
            Memory& file = *static_cast<Memory*>(user);
            const sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.at : file.size();
            return file.at = std::max<sf_count_t>(0, from + offset);
          },
          [](void* to, sf_count_t count, void* user) {
            Memory& file = *static_cast<Memory*>(user);
            const sf_count_t there = std::clamp<sf_count_t>(file.size() - file.at, 0, count);
            std::memcpy(to, file.bytes.data() + (there > 0 ? file.at : 0), static_cast<std::size_t>(there));
            file.at += there;
            return there;
          },
          [](const void* from, sf_count_t count, void* user) {
            Memory& file = *static_cast<Memory*>(user);
            const auto end = static_cast<std::size_t>(file.at + count);
            if (file.grown->size() < end) file.grown->resize(end);
            std::memcpy(file.grown->data() + file.at, from, static_cast<std::size_t>(count));
            file.at += count;
            return count;
          },
          [](void* user) { return static_cast<Memory*>(user)->at; }};
}

struct Close {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using File = std::unique_ptr<SNDFILE, Close>;

std::string format_name(int format) {
  switch (format & SF_FORMAT_TYPEMASK) {
    case SF_FORMAT_WAV: return "wav";
    case SF_FORMAT_FLAC: return "flac";
    case SF_FORMAT_OGG: return "ogg";
    case SF_FORMAT_MPEG: return "mp3";
    default: return "other";
  }
}

// libsndfile corrects a RIFF header that promises more than there is, without a word.
std::string riff_lie(std::string_view bytes) {
  if (bytes.size() < 12 || !bytes.starts_with("RIFF") || bytes.substr(8, 4) != "WAVE") return "";
  std::uint32_t promised = 0;
  std::memcpy(&promised, bytes.data() + 4, 4);
  if (promised == 0 || promised >= 0x7FFFFFFF || promised + std::uint64_t{8} <= bytes.size()) return "";  // unknown, as a stream's
  return fmt::format("its header promises {} bytes, the file has {}", promised + std::uint64_t{8}, bytes.size());
}

std::vector<float> resampled(const std::vector<float>& samples, int rate) {
  if (rate == speech_sample_rate || samples.empty()) return samples;
  std::vector<float> out(static_cast<std::size_t>(std::ceil(static_cast<double>(samples.size()) * speech_sample_rate / rate)));
  std::size_t used = 0, made = 0;
  const soxr_error_t error = soxr_oneshot(rate, speech_sample_rate, 1, samples.data(), samples.size(), &used, out.data(), out.size(), &made,
                                          nullptr, nullptr, nullptr);
  if (error != nullptr) throw DataError("cannot resample from {} Hz: {}", rate, soxr_strerror(error));
  out.resize(made);
  return out;
}

DecodedAudio decode(std::string_view bytes, double begin_s, std::optional<double> end_s) {
  Memory memory{bytes, nullptr, 0};
  SF_INFO info{};
  SF_VIRTUAL_IO io = in_memory();
  const File file(sf_open_virtual(&io, SFM_READ, &info, &memory));
  if (!file) throw DataError("cannot be decoded: {}", sf_strerror(nullptr));
  if (info.channels < 1 || info.channels > 64 || info.samplerate < 100 || info.samplerate > 1000000)
    throw DataError("expected 1 to 64 channels at 100 to 1,000,000 Hz, found {} at {}", info.channels, info.samplerate);
  DecodedAudio audio;
  audio.format = format_name(info.format);
  audio.file_seconds = static_cast<double>(info.frames) / info.samplerate;
  audio.lie = riff_lie(bytes);
  const auto begin = static_cast<sf_count_t>(std::llround(std::min(begin_s, 1e9) * info.samplerate));
  if (begin > 0 && (begin >= info.frames || sf_seek(file.get(), begin, SEEK_SET) != begin)) return audio;
  const sf_count_t wanted = end_s ? static_cast<sf_count_t>(std::llround(std::min(*end_s, 1e9) * info.samplerate)) - begin
                                  : std::numeric_limits<sf_count_t>::max();
  std::vector<float> mono, block(static_cast<std::size_t>(4096 * info.channels));
  std::uint64_t clipped = 0, values = 0;
  for (sf_count_t left = wanted, got = 0; left > 0; left -= got) {
    got = sf_readf_float(file.get(), block.data(), std::min<sf_count_t>(left, 4096));
    if (got <= 0) break;
    for (sf_count_t frame = 0; frame < got; ++frame) {
      float sum = 0;
      for (int channel = 0; channel < info.channels; ++channel) {
        const float value = block[static_cast<std::size_t>(frame * info.channels + channel)];
        audio.peak = std::max<double>(audio.peak, std::abs(value));
        clipped += std::abs(value) >= full_scale;
        sum += value;
      }
      mono.push_back(sum / static_cast<float>(info.channels));
    }
    values += static_cast<std::uint64_t>(got * info.channels);
  }
  const sf_count_t decoded = static_cast<sf_count_t>(mono.size());
  if (sf_error(file.get()) != SF_ERR_NO_ERROR && decoded == 0) throw DataError("cannot be decoded: {}", sf_strerror(file.get()));
  if (audio.lie.empty() && !end_s && audio.format != "mp3" && begin + decoded < info.frames)
    audio.lie = fmt::format("its header promises {} samples, {} can be decoded", info.frames, begin + decoded);
  audio.seconds = static_cast<double>(decoded) / info.samplerate;
  audio.clipped_share = values == 0 ? 0 : static_cast<double>(clipped) / static_cast<double>(values);
  audio.samples = resampled(mono, info.samplerate);
  return audio;
}

std::string encode_flac(std::span<const float> samples) {
  std::string bytes;
  Memory memory{{}, &bytes, 0};
  SF_INFO info{};
  info.samplerate = speech_sample_rate, info.channels = 1, info.format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
  SF_VIRTUAL_IO io = in_memory();
  File file(sf_open_virtual(&io, SFM_WRITE, &info, &memory));
  if (!file) throw DataError("cannot encode FLAC: {}", sf_strerror(nullptr));
  std::vector<short> rounded(samples.size());
  std::transform(samples.begin(), samples.end(), rounded.begin(), i16_of);
  const auto count = static_cast<sf_count_t>(rounded.size());
  if (sf_writef_short(file.get(), rounded.data(), count) != count) throw DataError("cannot encode FLAC: {}", sf_strerror(file.get()));
  file.reset();
  return bytes;
}

}  // namespace

AudioReader sndfile_reader() { return {decode, encode_flac}; }

}  // namespace thaw
