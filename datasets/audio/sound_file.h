// libsndfile over bytes in memory.
#pragma once

#include <sndfile.h>

#include <memory>

#include "datasets/audio/audio.h"

namespace thaw::audio {

constexpr int lowest_rate = 1000, highest_rate = 768000;  // Hz that a recording may have

// An open recording whose header has been found possible; else an AudioError. The bytes must outlive it.
class SoundFile {
 public:
  explicit SoundFile(AudioBytes encoded);

  const AudioInfo& info() const { return info_; }
  void seek(std::int64_t frame);                        // an AudioError where the file cannot be read from there
  std::int64_t read(float* into, std::int64_t frames);  // [frames, channels]; fewer than asked for at the end alone
  [[noreturn]] void fail(AudioFault fault, std::string_view detail) const { throw AudioError(fault, encoded_.name, detail); }

 private:
  struct Position {
    std::span<const std::byte> bytes;
    sf_count_t end = 0;  // where a seek finds it; behind the bytes the last ones are 0
    sf_count_t at = 0;
  };
  struct Close {
    void operator()(SNDFILE* file) const { sf_close(file); }
  };
  static SF_VIRTUAL_IO callbacks();
  SF_INFO open(std::span<const std::byte> bytes, std::size_t end);
  void check_header(const SF_INFO& header);

  AudioBytes encoded_;
  std::unique_ptr<Position> position_;
  std::unique_ptr<SNDFILE, Close> file_;
  AudioInfo info_;
};

}  // namespace thaw::audio
