#include "framework/tasks/transcription/whisper_segments.h"

#include "framework/tasks/transcription/blanks.h"

namespace thaw {
namespace {

// Where a segment's end is followed by the next one's start.
std::vector<std::size_t> boundaries(const WhisperVocabulary& vocabulary, const TokenIds& tokens) {
  std::vector<std::size_t> at;
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    if (vocabulary.is_timestamp(tokens[i - 1]) && vocabulary.is_timestamp(tokens[i])) at.push_back(i);
  }
  return at;
}

bool one_timestamp_at_the_end(const WhisperVocabulary& vocabulary, const TokenIds& tokens) {
  const std::size_t n = tokens.size();
  return n >= 2 && !vocabulary.is_timestamp(tokens[n - 2]) && vocabulary.is_timestamp(tokens[n - 1]);
}

}  // namespace

Segment make_segment(const WhisperVocabulary& vocabulary, const WhisperResult& result, const WindowSpan& window, std::size_t first,
                     std::size_t last) {
  Segment segment;
  segment.seek = window.seek;
  segment.tokens.assign(result.tokens.begin() + static_cast<std::ptrdiff_t>(first),
                        result.tokens.begin() + static_cast<std::ptrdiff_t>(last));
  TokenIds text = segment.tokens;
  std::erase_if(text, [&](std::int64_t token) { return token >= vocabulary.eot; });
  segment.text = vocabulary.decode(text);
  segment.temperature = result.temperature;
  segment.avg_logprob = result.avg_logprob;
  segment.compression_ratio = result.compression_ratio;
  segment.no_speech_prob = result.no_speech_prob;
  return segment;
}

WindowSegments cut_segments(const WhisperVocabulary& vocabulary, const WhisperResult& result, const WindowSpan& window) {
  const TokenIds& tokens = result.tokens;
  const double offset = seconds_of(window.seek);
  const auto seconds_at = [&](std::size_t token) {
    return static_cast<double>(tokens[token] - vocabulary.first_timestamp) * seconds_per_timestamp;
  };
  WindowSegments cut;
  cut.frames = window.frames;
  cut.ends_in_silence = one_timestamp_at_the_end(vocabulary, tokens);

  std::vector<std::size_t> ends = boundaries(vocabulary, tokens);
  if (ends.empty()) {
    Segment whole = make_segment(vocabulary, result, window, 0, tokens.size());
    double duration = seconds_of(window.frames);
    for (std::size_t i = tokens.size(); i-- > 0;) {
      if (!vocabulary.is_timestamp(tokens[i])) continue;
      if (tokens[i] != vocabulary.first_timestamp) duration = seconds_at(i);
      break;
    }
    whole.start = offset;
    whole.end = offset + duration;
    cut.segments.push_back(std::move(whole));
    return cut;
  }
  if (cut.ends_in_silence) ends.push_back(tokens.size());
  std::size_t first = 0;
  for (const std::size_t end : ends) {
    Segment segment = make_segment(vocabulary, result, window, first, end);
    segment.start = offset + seconds_at(first);
    segment.end = offset + seconds_at(end - 1);
    cut.segments.push_back(std::move(segment));
    first = end;
  }
  if (!cut.ends_in_silence) {
    cut.frames = (tokens[first - 1] - vocabulary.first_timestamp) * frames_per_timestamp;
    cut.unfinished = static_cast<std::int64_t>(tokens.size() - first);
  }
  return cut;
}

void clear_empty(std::vector<Segment>& segments) {
  for (Segment& segment : segments) {
    if (segment.start != segment.end && !strip_blanks(segment.text).empty()) continue;
    segment.text.clear();
    segment.tokens.clear();
    segment.words.clear();
  }
}

}  // namespace thaw
