#include "framework/tasks/pronunciation.h"

#include <cmath>

#include "framework/tasks/ctc_decode.h"

namespace thaw {
namespace {

constexpr double least_log_prob = -20;

double score_of(double gop) { return 100 * std::exp(gop); }

// What the best path says within the frames, without delimiters.
std::vector<std::int64_t> heard_in(const at::Tensor& frames, std::int64_t blank, std::optional<std::int64_t> delimiter) {
  std::vector<std::int64_t> heard = ctc_greedy(frames, blank).ids;
  std::erase_if(heard, [&](std::int64_t id) { return id == delimiter; });
  return heard;
}

}  // namespace

Pronunciation judge_pronunciation(const at::Tensor& log_probs, const std::vector<std::int64_t>& ids, std::int64_t blank,
                                  std::optional<std::int64_t> delimiter) {
  const at::Tensor values = log_probs.detach().to(at::kCPU, at::kDouble).clamp_min(least_log_prob);
  const CtcAlignment alignment = ctc_align(values, ids, blank);
  const std::vector<CtcSpan> spans = label_spans(alignment);

  Pronunciation judged;
  std::vector<double> gops;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const at::Tensor frames = values.slice(0, spans[i].first_frame, spans[i].end_frame);
    gops.push_back((frames.select(1, ids[i]) - frames.amax(1)).mean().item<double>());
    const auto best = frames.sum(0).argmax().item<std::int64_t>();
    const auto heard = best == blank || (best == delimiter && best != ids[i]) ? std::nullopt : std::optional(best);
    judged.tokens.push_back({ids[i], heard, score_of(gops[i]), spans[i]});
  }

  const std::vector<CtcWordRange> words = word_ranges(ids, delimiter);
  const std::vector<CtcSpan> spans_of_words = word_spans(alignment, words);
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t w = 0; w < words.size(); ++w) {
    const std::int64_t begin = w == 0 ? 0 : spans_of_words[w].first_frame;
    const std::int64_t end = w + 1 == words.size() ? values.size(0) : spans_of_words[w + 1].first_frame;
    double of_word = 0;
    for (std::size_t i = words[w].first; i < words[w].end; ++i) of_word += gops[i];
    const std::size_t tokens = words[w].end - words[w].first;
    judged.words.push_back({words[w], heard_in(values.slice(0, begin, end), blank, delimiter),
                            score_of(of_word / static_cast<double>(tokens)), spans_of_words[w]});
    sum += of_word;
    count += tokens;
  }
  judged.score = count == 0 ? 0 : score_of(sum / static_cast<double>(count));
  return judged;
}

}  // namespace thaw
