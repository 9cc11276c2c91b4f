// Transcripts as text files: plain text, SRT, WebVTT, TSV. The same text as openai-whisper's writers (whisper/utils.py), but for what
// players could not read: empty cues and lines are left out, and cues behind the recording's end; a cue of no length is shown until
// the next one, or with it; "-->" in a text is "->" always, and WebVTT's & and < are escaped.
#pragma once

#include <optional>
#include <string>

#include "framework/tasks/transcription/transcript.h"

namespace thaw {

// The limits need times of words: without them a segment is a cue, on one line.
struct CaptionOptions {
  std::optional<std::size_t> max_line_width;      // characters
  std::optional<std::size_t> max_line_count;      // of a cue; with a width, cues leave the segments' limits behind
  std::optional<std::size_t> max_words_per_line;  // of a line; where a cue leaves its segment, of `sentences` alone
  bool highlight_words = false;                   // one cue a word, in which it is underlined
  // As broadcasters do, which openai-whisper does not: a cue ends with its sentence (a pause of 0.1 s follows) and at a
  // pause of 0.5 s, lasts 7 s at most, and stays for 1 s where the next one leaves room. For a width and a count of lines.
  bool sentences = false;
};

std::string to_text(const Transcript& transcript);  // one segment a line
std::string to_srt(const Transcript& transcript, const CaptionOptions& options = {});
std::string to_vtt(const Transcript& transcript, const CaptionOptions& options = {});
std::string to_tsv(const Transcript& transcript);  // start and end in ms, text

}  // namespace thaw
