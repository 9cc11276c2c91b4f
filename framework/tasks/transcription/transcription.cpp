#include "framework/tasks/transcription/transcription.h"

#include <algorithm>

#include "framework/base/error.h"
#include "framework/base/random.h"
#include "framework/tasks/transcription/hallucination.h"
#include "framework/tasks/transcription/whisper_language.h"

namespace thaw {
namespace {

// One recording, window by window.
class Transcription {
 public:
  Transcription(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const at::Tensor& features,
                const TranscriptionOptions& options)
      : decoder_(decoder),
        vocabulary_(vocabulary),
        features_(features),
        options_(options),
        content_frames_(features.size(1) - window_frames),
        decoding_(prepared_options(decoder, vocabulary, window_of(features, {0, std::min(features.size(1), window_frames)}), options)),
        said_(options.decoding.prompt) {
    transcript_.language = decoding_.language;
    transcript_.word_times = options.word_times;
  }

  Transcript run() {
    for (const auto& [first, last] : clips()) {
      std::int64_t seek = first;
      while (seek < last) {
        const WindowSpan window{seek, std::min({window_frames, content_frames_ - seek, last - seek})};
        const std::int64_t next = transcribe_window(window);
        seek = next > seek ? next : seek + window.frames;  // decoding never stands still
        if (options_.progress) options_.progress(std::min(seek, content_frames_), content_frames_);
      }
    }
    TokenIds text(said_.begin() + static_cast<std::ptrdiff_t>(options_.decoding.prompt.size()), said_.end());
    std::erase_if(text, [&](std::int64_t token) { return token >= vocabulary_.eot; });
    transcript_.text = vocabulary_.decode(text);
    return std::move(transcript_);
  }

 private:
  std::vector<std::pair<std::int64_t, std::int64_t>> clips() const {
    if (options_.clips.empty()) return {{0, content_frames_}};
    std::vector<std::pair<std::int64_t, std::int64_t>> frames;
    const double end = static_cast<double>(content_frames_) / frames_per_second;
    for (const auto& [first, last] : options_.clips) {
      if (!(first >= 0 && last >= first))
        throw UsageError("clips: expected a start of 0 s or more and an end after it, found {} to {}", first, last);
      std::int64_t start = frame_at(std::min(first, end));
      if (!frames.empty()) start = std::max(start, frames.back().second);  // overlapping clips say nothing twice
      frames.emplace_back(start, std::min(frame_at(std::min(last, end)), content_frames_));
    }
    return frames;
  }

  // What the decoder is told was said before.
  TokenIds prompt() const {
    if (!options_.carry_prompt) return TokenIds(said_.begin() + static_cast<std::ptrdiff_t>(prompt_from_), said_.end());
    TokenIds carried = options_.decoding.prompt;
    const std::size_t own = carried.size(), ignored = std::max(own, prompt_from_);
    const std::int64_t room = decoder_.max_tokens() / 2 - 1 - static_cast<std::int64_t>(own);
    // Where the prompt alone is too long, decoding cuts its beginning; the text after it loses as much as openai-whisper's does.
    const auto all = static_cast<std::int64_t>(said_.size() - ignored),
               dropped = room > 0 ? std::max<std::int64_t>(all - room, 0) : std::min(all, -room);
    carried.insert(carried.end(), said_.begin() + static_cast<std::ptrdiff_t>(ignored) + dropped, said_.end());
    return carried;
  }

  // Where the next window begins.
  std::int64_t transcribe_window(const WindowSpan& window) {
    decoder_.encode(window_of(features_, window));
    decoding_.prompt = prompt();
    const DecodingWindow decoded{0, random_key(options_.seed, window.seek)};
    const WhisperResult result = decode_with_fallback(decoder_, vocabulary_, {decoded}, decoding_, options_.fallback).front();
    if (options_.fallback.is_silence(result)) return window.seek + window.frames;

    WindowSegments cut = cut_segments(vocabulary_, result, window);
    std::int64_t seek = window.seek + cut.frames;
    if (options_.word_times) {
      add_word_times(window, cut.segments);
      const std::optional<double> last_word = end_of(cut.segments);
      // Words at a window's end may be cut in two: they are heard again. Where the recording ends with it, and nothing says that more
      // is to come, openai-whisper would make words of the silence behind it.
      const bool all_heard = cut.ends_in_silence || (!options_.decoding.timestamps && seek >= content_frames_);
      if (!all_heard && last_word && *last_word > seconds_of(window.seek)) seek = frame_at(*last_word);
      if (options_.hallucination_silence_threshold) {
        const SilenceRules rules{*options_.hallucination_silence_threshold, content_frames_};
        const SilenceVerdict verdict = skip_silence(rules, window, cut.segments, seek, cut.ends_in_silence, last_speech_);
        seek = verdict.seek;
        if (verdict.again) return seek;
        cut.segments.resize(verdict.segments);
      }
      last_speech_ = end_of(cut.segments).value_or(last_speech_);
    }
    keep(std::move(cut.segments));
    // What was said at a high temperature misleads the next window.
    if (!options_.condition_on_previous_text || result.temperature > 0.5) prompt_from_ = said_.size();
    return seek;
  }

  void add_word_times(const WindowSpan& window, std::vector<Segment>& segments) {
    TokenIds text;
    for (const Segment& segment : segments) {
      std::copy_if(segment.tokens.begin(), segment.tokens.end(), std::back_inserter(text),
                   [&](std::int64_t token) { return token < vocabulary_.eot; });
    }
    set_word_times(
        segments,
        align_words(decoder_, vocabulary_, options_.words.heads, {0, window.frames}, decoding_.language, decoding_.translate, text),
        options_.words, last_speech_, vocabulary_.eot);
  }

  void keep(std::vector<Segment> segments) {
    clear_empty(segments);
    for (Segment& segment : segments) {
      segment.id = static_cast<std::int64_t>(transcript_.segments.size());
      said_.insert(said_.end(), segment.tokens.begin(), segment.tokens.end());
      transcript_.segments.push_back(std::move(segment));
    }
  }

  SpeechDecoder& decoder_;
  const WhisperVocabulary& vocabulary_;
  const at::Tensor& features_;
  const TranscriptionOptions& options_;
  std::int64_t content_frames_;
  WhisperOptions decoding_;
  TokenIds said_;                // the prompt, and all segments' tokens
  std::size_t prompt_from_ = 0;  // the next window is told what was said from here on
  double last_speech_ = 0;       // s
  Transcript transcript_;
};

}  // namespace

at::Tensor window_of(const at::Tensor& features, const WindowSpan& span) {
  const at::Tensor part = features.slice(1, span.seek, span.seek + span.frames);
  return at::constant_pad_nd(part, {0, window_frames - part.size(1)}).unsqueeze(0);
}

WhisperOptions prepared_options(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const at::Tensor& window,
                                const TranscriptionOptions& options) {
  if (options.word_times && options.words.heads.empty()) {
    throw ModelError(
        "word times: the model names no attention heads that follow the audio; expected alignment_heads in generation_config.json");
  }
  if (options.hallucination_silence_threshold && !options.word_times)
    throw UsageError("hallucination_silence_threshold needs word times: ask for them, or leave it out");
  WhisperOptions decoding = options.decoding;
  if (!decoding.language.empty()) return decoding;
  decoding.language = "en";
  if (vocabulary.languages.empty()) return decoding;
  decoder.encode(window);
  decoding.language = detect_language(decoder, vocabulary, {0}).front().language;
  return decoding;
}

Transcript transcribe(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const at::Tensor& features,
                      const TranscriptionOptions& options) {
  if (features.dim() != 2 || features.size(1) < window_frames) {
    throw DataError(
        "transcription: expected features [mels, frames] that end with 30 s of silence (3000 frames), found {} dimensions and {} frames",
        features.dim(), features.size(-1));
  }
  return Transcription(decoder, vocabulary, features, options).run();
}

}  // namespace thaw
