#include "datasets/audio/faults.h"

#include <cmath>

#include "datasets/audio/audio.h"

namespace thaw::audio {

std::string_view sentence(AudioFault fault) {
  switch (fault) {
    case AudioFault::unreadable: return "unreadable: expected WAV, FLAC, OGG or MP3, found something else or a damaged file";
    case AudioFault::empty: return "empty: there are no samples in it, or in the part of it that was asked for";
    case AudioFault::impossible_rate: return "its header gives a sample rate that cannot be";
    case AudioFault::impossible_channels: return "its header gives a number of channels that cannot be";
    case AudioFault::wrong_length: return "its header promises more samples than there are: was it cut off when it was copied?";
    case AudioFault::hidden_samples: return "its header promises fewer samples than there are: was it written before the last of them?";
    case AudioFault::too_short: return "too short: it lasts less than the limit";
    case AudioFault::too_long: return "too long: it lasts more than the limit";
    case AudioFault::silent: return "silent: no sample is louder than the limit";
    case AudioFault::clipped: return "clipped: more samples stand at full scale than the limit";
  }
  return "";
}

AudioError::AudioError(AudioFault fault, std::string_view name, std::string_view detail)
    : DataError(fmt::format("{}: {}{}", name, sentence(fault), detail.empty() ? "" : fmt::format(" ({})", detail))), fault_(fault) {}

std::optional<AudioFault> find_fault(const Audio& audio, const AudioLimits& limits) {
  if (audio.samples.empty()) return AudioFault::empty;
  if (audio.seconds() < limits.min_s) return AudioFault::too_short;
  if (audio.seconds() > limits.max_s) return AudioFault::too_long;
  if (static_cast<double>(audio.peak) < std::pow(10, limits.silence_dbfs / 20)) return AudioFault::silent;
  if (audio.clipped_share > limits.clipped_share) return AudioFault::clipped;
  return std::nullopt;
}

}  // namespace thaw::audio
