#include "framework/tasks/transcription/captions.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/tasks/transcription/blanks.h"
#include "framework/tasks/transcription/caption_cues.h"

namespace thaw {
namespace {

std::string time_of(std::int64_t ms, bool hours, char decimal_mark) {
  const std::string rest = fmt::format("{:02}:{:02}{}{:03}", ms / 60'000 % 60, ms / 1000 % 60, decimal_mark, ms % 1000);
  return hours || ms >= 3'600'000 ? fmt::format("{:02}:{}", ms / 3'600'000, rest) : rest;
}

}  // namespace

std::string to_text(const Transcript& transcript) {
  std::string out;
  for (const Segment& segment : transcript.segments) {
    const std::string text = strip_blanks(segment.text);
    if (!text.empty()) out += text + "\n";
  }
  return out;
}

std::string to_srt(const Transcript& transcript, const CaptionOptions& options) {
  std::string out;
  std::size_t number = 0;
  for (const Cue& cue : caption_cues(transcript, options, false)) {
    out += fmt::format("{}\n{} --> {}\n{}\n\n", ++number, time_of(cue.start, true, ','), time_of(cue.end, true, ','), cue.text);
  }
  return out;
}

std::string to_vtt(const Transcript& transcript, const CaptionOptions& options) {
  std::string out = "WEBVTT\n\n";
  for (const Cue& cue : caption_cues(transcript, options, true)) {
    out += fmt::format("{} --> {}\n{}\n\n", time_of(cue.start, false, '.'), time_of(cue.end, false, '.'), cue.text);
  }
  return out;
}

std::string to_tsv(const Transcript& transcript) {
  std::string out = "start\tend\ttext\n";
  for (const Segment& segment : transcript.segments) {
    std::string text = strip_blanks(segment.text);
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
    if (!text.empty()) out += fmt::format("{}\t{}\t{}\n", milliseconds(segment.start), milliseconds(segment.end), text);
  }
  return out;
}

}  // namespace thaw
