#include "datasets/audio/sound_file.h"

#include <algorithm>
#include <cstring>

#include "datasets/audio/riff.h"

namespace thaw::audio {
namespace {

constexpr int most_channels = 256;
constexpr std::size_t tag_bytes = 128;  // which mpg123 looks for at an MP3's end

// Only what we read is handed to libsndfile, which knows thirty formats.
std::string format_of(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto starts = [&](std::string_view magic) { return text.substr(0, magic.size()) == magic; };
  if ((starts("RIFF") || starts("RF64")) && text.size() >= 12 && text.substr(8, 4) == "WAVE") return "WAV";
  if (starts("fLaC")) return "FLAC";
  if (starts("OggS")) return "OGG";
  const bool frame = text.size() >= 2 && text[0] == '\xFF' && (text[1] & 0xE0) == 0xE0;
  return starts("ID3") || frame ? "MP3" : "";
}

// Whether an MP3's first frame, behind an ID3 tag, is one of those that encoders write to tell how many follow.
bool tells_count(std::span<const std::byte> bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.substr(0, 3) == "ID3" && text.size() >= 10) {
    std::size_t size = 10;
    for (std::size_t i = 6; i < 10; ++i) size += static_cast<std::size_t>(text[i] & 0x7F) << (7 * (9 - i));
    text.remove_prefix(std::min(size, text.size()));
  }
  const std::string_view frame = text.substr(0, 64);
  return frame.find("Xing") != frame.npos || frame.find("Info") != frame.npos || frame.find("VBRI") != frame.npos;
}

// An MP3 without what may stand behind its frames (ID3v1, Lyrics3, zeros), of which mpg123 stands a kilobyte.
std::span<const std::byte> without_tail(std::span<const std::byte> bytes) {
  constexpr std::size_t tail = 512;  // of zeros stays: a frame's last bytes may be some
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t before = 0; before != text.size();) {
    before = text.size();
    if (const std::size_t filled = text.find_last_not_of('\0') + 1; text.size() - filled > 2 * tail) text = text.substr(0, filled + tail);
    if (text.size() >= tag_bytes && text.substr(text.size() - tag_bytes, 3) == "TAG") text.remove_suffix(tag_bytes);
    if (text.ends_with("LYRICS200")) text = text.substr(0, text.rfind("LYRICSBEGIN"));
  }
  return bytes.first(text.size());
}

}  // namespace

SF_VIRTUAL_IO SoundFile::callbacks() {
  SF_VIRTUAL_IO io{};
  io.get_filelen = [](void* user) { return static_cast<sf_count_t>(static_cast<Position*>(user)->bytes.size()); };
  io.seek = [](sf_count_t offset, int whence, void* user) {
    Position& position = *static_cast<Position*>(user);
    const sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? position.at : position.end;
    if (offset < -from || offset > SF_COUNT_MAX - from) return sf_count_t{-1};  // behind the end it may stand, as in a file
    return position.at = from + offset;
  };
  io.read = [](void* into, sf_count_t count, void* user) {
    Position& position = *static_cast<Position*>(user);
    const auto size = static_cast<sf_count_t>(position.bytes.size());
    if (position.end > size && position.at + static_cast<sf_count_t>(tag_bytes) >= position.end) {
      std::memset(into, 0, static_cast<std::size_t>(count));
      return count;
    }
    count = std::clamp<sf_count_t>(count, 0, std::max<sf_count_t>(size - position.at, 0));
    if (count > 0) std::memcpy(into, position.bytes.data() + position.at, static_cast<std::size_t>(count));
    position.at += count;
    return count;
  };
  io.write = [](const void*, sf_count_t, void*) { return sf_count_t{0}; };
  io.tell = [](void* user) { return static_cast<Position*>(user)->at; };
  return io;
}

SoundFile::SoundFile(AudioBytes encoded) : encoded_(encoded), position_(std::make_unique<Position>()) {
  if (encoded.bytes.empty()) fail(AudioFault::empty, "0 bytes");
  info_.format = format_of(encoded.bytes);
  if (info_.format.empty()) fail(AudioFault::unreadable, "by its first bytes none of these");
  if (info_.format == "WAV") check_riff(encoded);
  check_header(open(encoded.bytes, encoded.bytes.size()));
  // libsndfile reads no further than an MP3's estimated length, which may be half of it: that of a file that ends far behind.
  constexpr std::size_t most_rates = 64;  // the first frame's bit rate against the mean
  if (info_.estimated) open(without_tail(encoded.bytes), encoded.bytes.size() * most_rates + tag_bytes);
}

SF_INFO SoundFile::open(std::span<const std::byte> bytes, std::size_t end) {
  *position_ = {bytes, static_cast<sf_count_t>(end), 0};
  SF_VIRTUAL_IO io = callbacks();
  SF_INFO header{};
  file_.reset(sf_open_virtual(&io, SFM_READ, &header, position_.get()));
  if (file_ == nullptr) fail(AudioFault::unreadable, sf_strerror(nullptr));
  return header;
}

void SoundFile::check_header(const SF_INFO& header) {
  if (header.samplerate < lowest_rate || header.samplerate > highest_rate) {
    fail(AudioFault::impossible_rate, fmt::format("{} Hz, expected {} to {}", header.samplerate, lowest_rate, highest_rate));
  }
  if (header.channels < 1 || header.channels > most_channels) {
    fail(AudioFault::impossible_channels, fmt::format("{}, expected 1 to {}", header.channels, most_channels));
  }
  info_.sample_rate = header.samplerate;
  info_.channels = header.channels;
  // A FLAC that was written into a pipe does not know its length.
  if (header.frames > 0 && header.frames < SF_COUNT_MAX) info_.frames = header.frames;
  info_.estimated = info_.format == "MP3" && !tells_count(encoded_.bytes);
}

void SoundFile::seek(std::int64_t frame) {
  if (sf_seek(file_.get(), frame, SEEK_SET) != frame) fail(AudioFault::unreadable, fmt::format("sample {} cannot be found", frame));
}

std::int64_t SoundFile::read(float* into, std::int64_t frames) {
  const std::int64_t got = sf_readf_float(file_.get(), into, frames);
  // A decoder that has come to the last byte and wants more is not confused: the file was cut off, which its length tells.
  const bool cut_off = got < frames && position_->at >= static_cast<sf_count_t>(position_->bytes.size());
  if (sf_error(file_.get()) != SF_ERR_NO_ERROR && !cut_off) fail(AudioFault::unreadable, sf_strerror(file_.get()));
  return got;
}

}  // namespace thaw::audio
