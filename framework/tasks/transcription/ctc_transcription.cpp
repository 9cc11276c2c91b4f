#include "framework/tasks/transcription/ctc_transcription.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "framework/base/error.h"
#include "framework/tasks/ctc_align.h"
#include "framework/tasks/ctc_decode.h"
#include "framework/tasks/transcription/compression_ratio.h"

namespace thaw {
namespace {

using Labels = std::vector<std::int64_t>;  // one a frame

Labels best_labels(const at::Tensor& log_probs) {
  const at::Tensor best = log_probs.argmax(1);
  return {best.data_ptr<std::int64_t>(), best.data_ptr<std::int64_t>() + best.numel()};
}

// Frames of the labels that the beam search finds, by the best path that spells them.
Labels searched_labels(const at::Tensor& log_probs, std::int64_t blank, std::int64_t beams) {
  const std::vector<CtcHypothesis> found = ctc_beam_search(log_probs, {.blank = blank, .width = static_cast<std::size_t>(beams)});
  const Labels& ids = found.front().ids;
  Labels labels;
  for (const std::int64_t place : ctc_align(log_probs, ids, blank).path)
    labels.push_back(place < 0 ? blank : ids[static_cast<std::size_t>(place)]);
  return labels;
}

Labels collapsed(std::span<const std::int64_t> labels, std::int64_t blank) {
  Labels ids;
  for (std::size_t t = 0; t < labels.size(); ++t)
    if (labels[t] != blank && (t == 0 || labels[t - 1] != labels[t])) ids.push_back(labels[t]);
  return ids;
}

// Words that begin segments, by their places. Too long ones of [first, end) are cut in two where pause × shorter side is greatest.
void cut_long(const std::vector<CtcWord>& words, std::size_t first, std::size_t end, std::int64_t longest, std::set<std::size_t>& begins) {
  const std::int64_t begin = words[first].first_frame, last = words[end - 1].end_frame;
  if (last - begin <= longest || end - first < 2) return;
  std::size_t cut = first + 1;
  std::int64_t best = -1;
  for (std::size_t i = first + 1; i < end; ++i) {
    const std::int64_t pause = words[i].first_frame - words[i - 1].end_frame;
    const std::int64_t worth = pause * std::min(words[i - 1].end_frame - begin, last - words[i].first_frame);
    if (worth > best) best = worth, cut = i;
  }
  begins.insert(cut);
  cut_long(words, first, cut, longest, begins);
  cut_long(words, cut, end, longest, begins);
}

// Frames at which segments meet, the first and the end among them: in the middle of pauses between words.
std::vector<std::int64_t> limits_of(const std::vector<CtcWord>& words, std::int64_t frames, double frame_s,
                                    const CtcTranscriptionOptions& options) {
  const auto frames_in = [&](double seconds) { return static_cast<std::int64_t>(std::llround(seconds / frame_s)); };
  std::set<std::size_t> begins;
  std::size_t first = 0;
  for (std::size_t i = 1; i <= words.size(); ++i) {
    if (i < words.size() && words[i].first_frame - words[i - 1].end_frame < frames_in(options.pause_s)) continue;
    if (first > 0) begins.insert(first);
    cut_long(words, first, i, frames_in(options.longest_segment_s), begins);
    first = i;
  }
  std::vector<std::int64_t> limits{0};
  for (const std::size_t i : begins) limits.push_back((words[i - 1].end_frame + words[i].first_frame + 1) / 2);
  limits.push_back(frames);
  return limits;
}

// The mean over frames [first, end) of their labels' log-probabilities; of those without blanks where `spoken`.
struct Path {
  const at::Tensor& frames;
  std::span<const std::int64_t> labels;
  std::int64_t blank;

  double mean(std::int64_t first, std::int64_t end, bool spoken) const {
    const auto values = frames.accessor<float, 2>();
    double sum = 0;
    std::int64_t count = 0;
    for (std::int64_t t = first; t < end; ++t) {
      const std::int64_t label = labels[static_cast<std::size_t>(t)];
      if (spoken && label == blank) continue;
      sum += static_cast<double>(values[t][label]);
      ++count;
    }
    return count == 0 ? 0 : sum / static_cast<double>(count);
  }
};

class Segments {
 public:
  Segments(const CtcAlphabet& alphabet, double frame_s, const CtcTranscriptionOptions& options)
      : alphabet_(alphabet), frame_s_(frame_s), options_(options) {}

  void add(const CtcEmissions& heard) {
    const at::Tensor log_probs = heard.log_probs.to(at::kFloat).contiguous();
    const Labels best = best_labels(log_probs);
    const std::vector<std::int64_t> limits = limits_of(alphabet_.words(best), log_probs.size(0), frame_s_, options_);
    const std::size_t before = transcript_.segments.size();
    for (std::size_t i = 0; i + 1 < limits.size(); ++i) {
      const at::Tensor frames = log_probs.slice(0, limits[i], limits[i + 1]);
      const Labels labels = options_.beams > 0 ? searched_labels(frames, alphabet_.blank, options_.beams)
                                               : Labels(best.begin() + limits[i], best.begin() + limits[i + 1]);
      add(frames, labels, heard.first_frame + limits[i], heard.first_frame);
    }
    if (options_.beams == 0) return append(alphabet_.text(best));
    // Segments meet between words, but what was found of each may lack the delimiter.
    for (std::size_t i = before; i < transcript_.segments.size(); ++i) append(transcript_.segments[i].text);
  }

  Transcript done() && {
    transcript_.word_times = options_.word_times;
    return std::move(transcript_);
  }

 private:
  double seconds(std::int64_t frame) const { return static_cast<double>(frame) * frame_s_; }

  void append(const std::string& text) {
    if (!text.empty()) transcript_.text += (transcript_.text.empty() ? "" : " ") + text;
  }

  void add(const at::Tensor& frames, std::span<const std::int64_t> labels, std::int64_t first_frame, std::int64_t window_frame) {
    const std::vector<CtcWord> words = alphabet_.words(labels);
    if (words.empty()) return;
    const Path path{frames, labels, alphabet_.blank};
    Segment segment;
    segment.id = static_cast<std::int64_t>(transcript_.segments.size());
    segment.seek = std::llround(seconds(window_frame) * 100);
    segment.start = seconds(first_frame + words.front().first_frame);
    segment.end = seconds(first_frame + words.back().end_frame);
    segment.text = alphabet_.text(labels);
    segment.tokens = collapsed(labels, alphabet_.blank);
    segment.avg_logprob = path.mean(words.front().first_frame, words.back().end_frame, false);
    segment.compression_ratio = compression_ratio(segment.text);
    for (const auto& [text, first, end] : words) {
      const auto own = labels.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first));
      segment.words.push_back({(segment.words.empty() ? "" : " ") + text, seconds(first_frame + first), seconds(first_frame + end),
                               std::exp(path.mean(first, end, true)), collapsed(own, alphabet_.blank)});
    }
    transcript_.segments.push_back(std::move(segment));
  }

  const CtcAlphabet& alphabet_;
  double frame_s_;
  const CtcTranscriptionOptions& options_;
  Transcript transcript_;
};

}  // namespace

Transcript ctc_transcript(const std::vector<CtcEmissions>& heard, const CtcAlphabet& alphabet, double frame_s,
                          const CtcTranscriptionOptions& options) {
  if (options.beams < 0) throw UsageError("beams: expected 0 or more, found {}", options.beams);
  Segments segments(alphabet, frame_s, options);
  for (const CtcEmissions& one : heard) segments.add(one);
  return std::move(segments).done();
}

}  // namespace thaw
