#include "framework/tasks/transcription/batched_transcription.h"

#include <algorithm>

#include "framework/base/error.h"
#include "framework/base/random.h"
#include "framework/tasks/transcription/window_overlap.h"

namespace thaw {
namespace {

std::vector<WindowSpan> spans_of(const std::vector<TimeSpan>& windows, std::int64_t content_frames) {
  constexpr double window_s = 30, rounding_s = 1e-6;  // of sums of seconds
  std::vector<WindowSpan> spans;
  double before = 0;
  for (const TimeSpan& window : windows) {
    if (!(window.begin_s >= before && window.end_s >= window.begin_s) || window.seconds() > window_s + rounding_s) {
      throw DataError("windows: expected ascending ones of at most 30 s, found {} to {} s after one that begins at {} s", window.begin_s,
                      window.end_s, before);
    }
    const std::int64_t first = frame_at(window.begin_s);
    const std::int64_t last = std::min({frame_at(window.end_s), first + window_frames, content_frames});
    before = window.begin_s;
    if (first < last) spans.push_back({first, last - first});
  }
  return spans;
}

// As for one window after another, but what has begun and not ended lasts to the window's end.
std::vector<Segment> segments_of(const WhisperVocabulary& vocabulary, const WhisperResult& result, const WindowSpan& span) {
  WindowSegments cut = cut_segments(vocabulary, result, span);
  if (cut.unfinished > 0) {
    Segment rest =
        make_segment(vocabulary, result, span, result.tokens.size() - static_cast<std::size_t>(cut.unfinished), result.tokens.size());
    const double begun = static_cast<double>(rest.tokens.front() - vocabulary.first_timestamp) * seconds_per_timestamp;
    const double end = seconds_of(span.seek + span.frames);
    rest.start = std::min(seconds_of(span.seek) + begun, end);
    rest.end = end;
    cut.segments.push_back(std::move(rest));
  }
  return std::move(cut.segments);
}

TokenIds text_of(const std::vector<Segment>& segments, std::int64_t eot) {
  TokenIds text;
  for (const Segment& segment : segments) {
    std::copy_if(segment.tokens.begin(), segment.tokens.end(), std::back_inserter(text), [&](std::int64_t token) { return token < eot; });
  }
  return text;
}

struct Said {
  WindowSpan span;
  std::vector<Segment> segments;
};

Transcript joined(const WhisperVocabulary& vocabulary, std::vector<Said> windows) {
  for (std::size_t i = 1; i < windows.size(); ++i) {
    const WindowSpan &before = windows[i - 1].span, &after = windows[i].span;
    if (after.seek < before.seek + before.frames) {
      settle_overlap(windows[i - 1].segments, windows[i].segments, seconds_of(after.seek + before.seek + before.frames) / 2);
    }
  }
  Transcript transcript;
  for (Said& window : windows) {
    clear_empty(window.segments);
    for (Segment& segment : window.segments) {
      segment.id = static_cast<std::int64_t>(transcript.segments.size());
      transcript.segments.push_back(std::move(segment));
    }
  }
  transcript.text = vocabulary.decode(text_of(transcript.segments, vocabulary.eot));
  return transcript;
}

}  // namespace

Transcript transcribe_windows(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const at::Tensor& features,
                              const std::vector<TimeSpan>& windows, std::int64_t batch, const TranscriptionOptions& options) {
  if (batch < 1) throw UsageError("batch: expected 1 window or more, found {}", batch);
  if (features.dim() != 2 || features.size(1) < window_frames) {
    throw DataError(
        "transcription: expected features [mels, frames] that end with 30 s of silence (3000 frames), found {} dimensions and {} frames",
        features.dim(), features.size(-1));
  }
  const std::int64_t content_frames = features.size(1) - window_frames;
  const std::vector<WindowSpan> spans = spans_of(windows, content_frames);
  const WindowSpan first = spans.empty() ? WindowSpan{0, window_frames} : spans.front();
  const WhisperOptions decoding = prepared_options(decoder, vocabulary, window_of(features, first), options);
  std::vector<Said> said;
  double last_speech = 0;
  for (std::size_t start = 0; start < spans.size(); start += static_cast<std::size_t>(batch)) {
    const std::size_t end = std::min(spans.size(), start + static_cast<std::size_t>(batch));
    std::vector<at::Tensor> parts;
    std::vector<DecodingWindow> these;
    for (std::size_t i = start; i < end; ++i) {
      parts.push_back(window_of(features, spans[i]));
      these.push_back({static_cast<std::int64_t>(i - start), random_key(options.seed, spans[i].seek)});
    }
    decoder.encode(at::cat(parts));
    const std::vector<WhisperResult> results = decode_with_fallback(decoder, vocabulary, these, decoding, options.fallback);
    for (std::size_t i = start; i < end; ++i) {
      const WhisperResult& result = results[i - start];
      if (options.fallback.is_silence(result)) continue;
      std::vector<Segment> segments = segments_of(vocabulary, result, spans[i]);
      if (options.word_times) {
        const AlignedWindow window{these[i - start].index, spans[i].frames};
        set_word_times(segments,
                       align_words(decoder, vocabulary, options.words.heads, window, decoding.language, decoding.translate,
                                   text_of(segments, vocabulary.eot)),
                       options.words, last_speech, vocabulary.eot);
        last_speech = end_of(segments).value_or(last_speech);
      }
      said.push_back({spans[i], std::move(segments)});
    }
    if (options.progress) options.progress(spans[end - 1].seek + spans[end - 1].frames, content_frames);
  }
  Transcript transcript = joined(vocabulary, std::move(said));
  transcript.language = decoding.language;
  transcript.word_times = options.word_times;
  return transcript;
}

}  // namespace thaw
