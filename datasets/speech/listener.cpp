#include "datasets/speech/listener.h"

#include <sys/wait.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <span>

#include "framework/base/error.h"

namespace thaw {
namespace {

// What a command writes, which the user has allowed to run.
std::string output_of(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw DataError("cannot start the command");
  std::array<char, 65536> block{};
  for (std::size_t got = 0; (got = std::fread(block.data(), 1, block.size(), pipe)) > 0;) output.append(block.data(), got);
  const int status = ::pclose(pipe);
  if (status == 0) return output;
  if (status != -1 && WIFSIGNALED(status))
    throw DataError("the command was ended by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  if (status != -1 && WIFEXITED(status)) throw DataError("the command ended with exit status {}", WEXITSTATUS(status));
  throw DataError("how the command ended cannot be found out");
}

}  // namespace

void Listener::open(const Utterance& utterance) {
  const std::string name = (utterance.pipe ? "|" : "") + utterance.audio;
  if (name == open_) return;
  open_.clear();
  mapped_.reset();
  output_.clear();
  if (utterance.pipe) {
    output_ = output_of(utterance.audio);
    bytes_ = output_;
  } else {
    mapped_ = std::make_unique<MappedFile>(utterance.audio);
    bytes_ = mapped_->text();
  }
  open_ = name;
}

// A segment may be all of its file, as manifests that give each utterance an offset of 0 have them.
bool Listener::is_whole(const Utterance& utterance) const {
  if (!utterance.is_segment() || utterance.begin_s > 0) return !utterance.is_segment();
  constexpr double rounding_s = 0.001;
  const audio::AudioInfo info = audio::inspect_audio({utterance.audio, std::as_bytes(std::span(bytes_))});
  return info.frames && !info.estimated && info.seconds() <= *utterance.end_s + rounding_s;
}

Listener::Heard Listener::hear(const Utterance& utterance) {
  Heard heard;
  const auto found = [&](Fault fault, std::string detail) { heard.fault = fault, heard.detail = std::move(detail); };
  try {
    open(utterance);
    heard.bytes = bytes_;
    if (bytes_.empty()) {
      found(Fault::empty, utterance.pipe ? "the command wrote nothing" : "the file has no bytes");
      return heard;
    }
    audio::ReadOptions options;
    heard.whole = is_whole(utterance);
    if (!heard.whole) options.begin_s = utterance.begin_s, options.end_s = utterance.end_s;
    if (limits_.max_s > 0) options.max_s = limits_.max_s;
    heard.audio = audio::read_audio({utterance.audio, std::as_bytes(std::span(bytes_))}, options);
    judge(utterance, heard);
  } catch (const audio::AudioError& error) {
    using audio::AudioFault;
    const AudioFault fault = error.fault();
    const bool lies = fault == AudioFault::wrong_length || fault == AudioFault::hidden_samples || fault == AudioFault::impossible_rate ||
                      fault == AudioFault::impossible_channels;
    found(fault == AudioFault::too_long ? Fault::too_long
          : lies                        ? Fault::header_lies
          : fault != AudioFault::empty  ? Fault::unreadable
          : utterance.is_segment()      ? Fault::wrong_duration
                                        : Fault::empty,
          error.what());
  } catch (const Error& error) {
    found(Fault::unreadable, error.what());
  }
  return heard;
}

void Listener::judge(const Utterance& utterance, Heard& heard) const {
  const audio::Audio& audio = heard.audio;
  const auto found = [&](Fault fault, std::string detail) { heard.fault = fault, heard.detail = std::move(detail); };
  const double seconds = audio.seconds();
  if (utterance.duration_s) {
    const double said = *utterance.duration_s, off = std::abs(said - seconds);
    if (off > limits_.duration_tolerance_s + limits_.duration_tolerance * said)
      return found(Fault::wrong_duration, fmt::format("expected {} s, heard {:.2f} s", said, seconds));
  }
  if (limits_.min_s > 0 && seconds < limits_.min_s) return found(Fault::too_short, fmt::format("{:.2f} s", seconds));
  if (limits_.max_s > 0 && seconds > limits_.max_s) return found(Fault::too_long, fmt::format("{:.2f} s", seconds));
  const audio::AudioLimits limits{0, std::numeric_limits<double>::max(), limits_.silence_dbfs, limits_.clipped_share};
  const auto fault = audio::find_fault(audio, limits);
  if (fault == audio::AudioFault::silent) found(Fault::silent, fmt::format("its peak is {:.5f} of full scale", audio.peak));
  if (fault == audio::AudioFault::clipped)
    found(Fault::clipped, fmt::format("{:.1f} % of its samples stand at full scale", 100 * audio.clipped_share));
}

}  // namespace thaw
