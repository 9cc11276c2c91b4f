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
  bool only_zeros() const {
    const auto rest = wav_.bytes.subspan(at_);
    return std::all_of(rest.begin(), rest.end(), [](std::byte byte) { return byte == std::byte{0}; });
  }

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

constexpr std::uint64_t rubbish_bytes = 1024;  // that downloads and recorders leave at the end; 32 ms of 16 kHz

// Samples hardly look so: four printable characters, and a size that fits.
bool is_chunk(const Reader& chunk) {
  const std::string_view name = chunk.name();
  for (const std::string_view known : {"LIST", "id3", "ID3", "TAG", "APET", "bext", "iXML"})  // whatever their size
    if (name.starts_with(known)) return true;
  const bool printable = std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return printable && chunk.number(4, 4) <= chunk.left() - 8;
}

// Whether what stands behind the samples may be something else. A byte may make an odd number of them even.
bool may_follow(const Reader& rest, bool odd) {
  if (rest.left() <= rubbish_bytes || rest.only_zeros() || is_chunk(rest)) return true;
  Reader behind_padding = rest;
  behind_padding.skip(1);
  return odd && is_chunk(behind_padding);
}

}  // namespace

void check_riff(AudioBytes wav) {
  const bool riff = std::string_view(reinterpret_cast<const char*>(wav.bytes.data()), 4) == "RIFF";
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
      const std::uint64_t found = reader.left();
      reader.skip(size);
      if (!unknown && riff && !may_follow(reader, size % 2 == 1)) {
        throw AudioError(AudioFault::hidden_samples, wav.name, fmt::format("{} bytes of samples, found {}", size, found));
      }
      return;
    }
    reader.skip(size + size % 2);
  }
}

}  // namespace thaw::audio
