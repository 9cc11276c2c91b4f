#include "datasets/audio/riff.h"

#include <algorithm>

namespace thaw::audio {
namespace {

class Reader {
 public:
  explicit Reader(AudioBytes wav) : wav_(wav) {}
  std::uint64_t left() const { return wav_.bytes.size() - at_; }
  void skip(std::uint64_t bytes) { at_ += static_cast<std::size_t>(std::min<std::uint64_t>(bytes, left())); }
  std::uint32_t number(std::size_t offset, int bytes) const {  // little-endian
    std::uint32_t value = 0;
    for (int i = bytes - 1; i >= 0; --i)
      value = value << 8 | static_cast<std::uint32_t>(wav_.bytes[at_ + offset + static_cast<std::size_t>(i)]);
    return value;
  }
  std::string_view name() const { return {reinterpret_cast<const char*>(wav_.bytes.data()) + at_, 4}; }

 private:
  AudioBytes wav_;
  std::size_t at_ = 12;  // behind RIFF, size, WAVE
};

void check_format(const Reader& chunk, AudioBytes wav) {
  const std::uint32_t codec = chunk.number(0, 2), channels = chunk.number(2, 2), rate = chunk.number(4, 4);
  const std::uint32_t byte_rate = chunk.number(8, 4), frame_bytes = chunk.number(12, 2), bits = chunk.number(14, 2);
  constexpr std::uint32_t pcm = 1;
  if (channels == 0) throw AudioError(AudioFault::impossible_channels, wav.name, "0");
  if (rate == 0) throw AudioError(AudioFault::impossible_rate, wav.name, "0 Hz");
  if (codec != pcm || bits == 0) return;
  if (frame_bytes != channels * ((bits + 7) / 8)) {
    throw AudioError(AudioFault::impossible_channels, wav.name,
                     fmt::format("{} channels of {} bits, but {} bytes for a sample of all", channels, bits, frame_bytes));
  }
  if (byte_rate != 0 && byte_rate != std::uint64_t{rate} * frame_bytes) {
    throw AudioError(AudioFault::impossible_rate, wav.name,
                     fmt::format("{} Hz, but {} bytes a second, which are {} Hz", rate, byte_rate, byte_rate / frame_bytes));
  }
}

}  // namespace

void check_riff(AudioBytes wav) {
  Reader reader(wav);
  while (reader.left() >= 8) {
    const std::string_view name = reader.name();
    const std::uint64_t size = reader.number(4, 4);
    reader.skip(8);
    if (name == "fmt " && reader.left() >= 16) check_format(reader, wav);
    if (name == "data") {
      const bool unknown = size == 0 || size >= 0xFFFF0000u || (size >= 0x7FFF0000u && size <= 0x80000000u);
      if (!unknown && size > reader.left()) {
        throw AudioError(AudioFault::wrong_length, wav.name, fmt::format("{} bytes of samples, found {}", size, reader.left()));
      }
      return;
    }
    reader.skip(size + size % 2);
  }
}

}  // namespace thaw::audio
