#include "datasets/speech/listener.h"

#include <array>
#include <cmath>
#include <cstdio>

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
  if (const int status = ::pclose(pipe); status != 0) throw DataError("the command ended with status {}", status);
  return output;
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

Listener::Heard Listener::hear(const Utterance& utterance) {
  Heard heard;
  try {
    open(utterance);
    heard.bytes = bytes_;
    if (bytes_.empty()) {
      heard.fault = Fault::empty, heard.detail = "no bytes";
      return heard;
    }
    heard.audio = reader_.decode(bytes_, utterance.begin_s, utterance.end_s);
  } catch (const Error& error) {
    heard.fault = Fault::unreadable, heard.detail = error.what();
    return heard;
  }
  judge(utterance, heard);
  return heard;
}

void Listener::judge(const Utterance& utterance, Heard& heard) const {
  const DecodedAudio& audio = heard.audio;
  const auto found = [&](Fault fault, std::string detail) { heard.fault = fault, heard.detail = std::move(detail); };
  if (!audio.lie.empty()) return found(Fault::header_lies, audio.lie);
  if (audio.samples.empty() && utterance.is_segment())
    return found(Fault::wrong_duration,
                 fmt::format("the segment begins at {} s, the audio ends at {:.2f} s", utterance.begin_s, audio.file_seconds));
  if (audio.samples.empty()) return found(Fault::empty, "no sample");
  if (utterance.duration_s) {
    const double said = *utterance.duration_s, off = std::abs(said - audio.seconds);
    if (off > limits_.duration_tolerance_s + limits_.duration_tolerance * said)
      return found(Fault::wrong_duration, fmt::format("expected {} s, heard {:.2f} s", said, audio.seconds));
  }
  if (limits_.min_s > 0 && audio.seconds < limits_.min_s) return found(Fault::too_short, fmt::format("{:.2f} s", audio.seconds));
  if (limits_.max_s > 0 && audio.seconds > limits_.max_s) return found(Fault::too_long, fmt::format("{:.2f} s", audio.seconds));
  if (audio.peak < limits_.silence) return found(Fault::silent, fmt::format("its peak is {:.5f} of full scale", audio.peak));
  if (audio.clipped_share > limits_.clipped_share)
    found(Fault::clipped, fmt::format("{:.1f} % of its samples stand at full scale", 100 * audio.clipped_share));
}

}  // namespace thaw
