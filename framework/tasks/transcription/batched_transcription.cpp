#include "framework/tasks/transcription/batched_transcription.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "framework/base/error.h"
#include "framework/base/random.h"
#include "framework/tasks/transcription/blanks.h"
#include "framework/tasks/transcription/window_overlap.h"

namespace thaw {
namespace {

constexpr std::int64_t shortest_rest = 50;  // frames: what is shorter holds no word that a window left out

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

// A window, or the rest of one, that is decoded by itself.
struct Part {
  std::size_t window = 0;
  WindowSpan span;
};

struct HeardPart {
  std::vector<Segment> segments;
  std::int64_t frames = 0;  // of the part; what was said after them is to be heard yet
};

// As for one window after another, but what has begun and not ended lasts to the window's end.
HeardPart segments_of(const WhisperVocabulary& vocabulary, const WhisperResult& result, const WindowSpan& span) {
  WindowSegments cut = cut_segments(vocabulary, result, span);
  HeardPart heard{std::move(cut.segments), span.frames};
  if (cut.unfinished == 0) return heard;
  Segment rest =
      make_segment(vocabulary, result, span, result.tokens.size() - static_cast<std::size_t>(cut.unfinished), result.tokens.size());
  if (strip_blanks(rest.text).empty()) {  // "go on from here"
    if (cut.frames > 0 && span.frames - cut.frames >= shortest_rest) heard.frames = cut.frames;
    return heard;
  }
  const double begun = static_cast<double>(rest.tokens.front() - vocabulary.first_timestamp) * seconds_per_timestamp;
  const double end = seconds_of(span.seek + span.frames);
  rest.start = std::min(seconds_of(span.seek) + begun, end);
  rest.end = end;
  heard.segments.push_back(std::move(rest));
  return heard;
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
  std::vector<Segment> segments;  // none of silence
};

Transcript joined(const WhisperVocabulary& vocabulary, std::vector<Said> windows) {
  std::erase_if(windows, [](const Said& window) { return window.segments.empty(); });
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

// One recording, many windows at once.
class BatchedTranscription {
 public:
  BatchedTranscription(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const at::Tensor& features,
                       const std::vector<WindowSpan>& spans, const TranscriptionOptions& options)
      : decoder_(decoder),
        vocabulary_(vocabulary),
        features_(features),
        options_(options),
        decoding_(prepared_options(decoder, vocabulary, window_of(features, spans.empty() ? WindowSpan{0, window_frames} : spans.front()),
                                   options)) {
    for (const WindowSpan& span : spans) {
      parts_.push_back({said_.size(), span});
      said_.push_back({span, {}});
    }
  }

  Transcript run(std::size_t batch) {
    std::int64_t reached = 0;
    while (!parts_.empty()) {  // all windows, then what they left, then what that left
      const std::vector<Part> parts = std::exchange(parts_, {});
      for (std::size_t start = 0; start < parts.size(); start += batch) {
        const std::span these = std::span(parts).subspan(start, std::min(batch, parts.size() - start));
        hear(these);
        reached = std::max(reached, these.back().span.seek + these.back().span.frames);
        if (options_.progress) options_.progress(reached, features_.size(1) - window_frames);
      }
    }
    Transcript transcript = joined(vocabulary_, std::move(said_));
    transcript.language = decoding_.language;
    transcript.word_times = options_.word_times;
    return transcript;
  }

 private:
  void hear(std::span<const Part> parts) {
    std::vector<at::Tensor> features;
    std::vector<DecodingWindow> windows;
    for (const Part& part : parts) {
      windows.push_back({static_cast<std::int64_t>(features.size()), random_key(options_.seed, part.span.seek)});
      features.push_back(window_of(features_, part.span));
    }
    decoder_.encode(at::cat(features));
    const std::vector<WhisperResult> results = decode_with_fallback(decoder_, vocabulary_, windows, decoding_, options_.fallback);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (options_.fallback.is_silence(results[i])) continue;
      const Part& part = parts[i];
      HeardPart heard = segments_of(vocabulary_, results[i], part.span);
      if (options_.word_times) {
        set_word_times(heard.segments,
                       align_words(decoder_, vocabulary_, options_.words.heads, {windows[i].index, part.span.frames}, decoding_.language,
                                   decoding_.translate, text_of(heard.segments, vocabulary_.eot)),
                       options_.words, last_speech(part.window), vocabulary_.eot);
      }
      std::vector<Segment>& said = said_[part.window].segments;
      std::move(heard.segments.begin(), heard.segments.end(), std::back_inserter(said));
      if (heard.frames < part.span.frames)
        parts_.push_back({part.window, {part.span.seek + heard.frames, part.span.frames - heard.frames}});
    }
  }

  // The end of the last word in this window or before it, as far as they have been heard; in s.
  double last_speech(std::size_t window) const {
    for (std::size_t i = window + 1; i-- > 0;)
      if (const std::optional<double> end = end_of(said_[i].segments)) return *end;
    return 0;
  }

  SpeechDecoder& decoder_;
  const WhisperVocabulary& vocabulary_;
  const at::Tensor& features_;
  const TranscriptionOptions& options_;
  WhisperOptions decoding_;
  std::vector<Part> parts_;  // still to be heard
  std::vector<Said> said_;   // of each window
};

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
  return BatchedTranscription(decoder, vocabulary, features, spans, options).run(static_cast<std::size_t>(batch));
}

}  // namespace thaw
