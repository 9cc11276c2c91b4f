// What can be wrong with a recording, so that corpora can count and name it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "framework/base/error.h"

namespace thaw::audio {

enum class AudioFault : std::uint8_t {
  unreadable,           // another format, or damaged
  empty,                // no samples, or none in the part that was asked for
  impossible_rate,      // the header's sample rate
  impossible_channels,  // the header's number of channels
  wrong_length,         // the header promises more samples than there are
  hidden_samples,       // the header promises fewer
  too_short,
  too_long,
  silent,
  clipped,
};

// What such a recording is: "silent: no sample is louder than the limit", a clause to go behind a file's name.
std::string_view sentence(AudioFault fault);

class AudioError : public DataError {
 public:
  AudioError(AudioFault fault, std::string_view name, std::string_view detail);  // "NAME: sentence (detail)"
  AudioFault fault() const { return fault_; }

 private:
  AudioFault fault_;
};

struct AudioLimits {
  double min_s = 0.1, max_s = 3600;
  double silence_dbfs = -60;    // peak below it: silent
  double clipped_share = 0.01;  // more samples than this at full scale: clipped
};

struct Audio;

// What is wrong with a recording that could be read; the first in the order of the list above, nothing where all is well.
std::optional<AudioFault> find_fault(const Audio& audio, const AudioLimits& limits = {});

}  // namespace thaw::audio
