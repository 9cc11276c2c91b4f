#include "framework/tasks/ctc_align.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/base/error.h"
#include "framework/tasks/ctc.h"

namespace thaw {
namespace {

void check(const at::Tensor& values, const std::vector<std::int64_t>& ids, std::int64_t blank) {
  const std::int64_t frames = values.size(0), vocabulary = values.size(1), needed = ctc_frames_needed(ids);
  if (frames < needed)
    throw DataError("forced alignment: {} labels need at least {} frames, found {}: is the text that of this recording?", ids.size(),
                    needed, frames);
  for (const std::int64_t id : ids)
    if (id < 0 || id >= vocabulary || id == blank)
      throw DataError("forced alignment: expected labels below {} that are not the blank ({}), found {}", vocabulary, blank, id);
}

}  // namespace

// States are blank, label 0, blank, label 1, …, blank. A frame stays in its state or goes on to the next, or from one label to
// the next without the blank between where the labels differ.
CtcAlignment ctc_align(const at::Tensor& log_probs, const std::vector<std::int64_t>& ids, std::int64_t blank) {
  const at::Tensor values = log_probs.detach().to(at::kCPU, at::kFloat).contiguous();
  check(values, ids, blank);
  const auto frames = values.accessor<float, 2>();
  const auto count = static_cast<std::size_t>(values.size(0));
  const std::size_t states = 2 * ids.size() + 1;
  const auto label_of = [&](std::size_t state) { return state % 2 == 0 ? blank : ids[state / 2]; };
  constexpr double impossible = -std::numeric_limits<double>::infinity();

  CtcAlignment found;
  if (count == 0) return found;
  std::vector<double> best(states, impossible);
  std::vector<std::uint8_t> steps(count * states, 0);
  best[0] = frames[0][blank];
  if (states > 1) best[1] = frames[0][ids[0]];
  for (std::size_t t = 1; t < count; ++t) {
    for (std::size_t state = states; state-- > 0;) {  // downwards: what is read is still of the frame before
      const bool may_skip = state % 2 == 1 && state > 1 && ids[state / 2] != ids[state / 2 - 1];
      const double stay = best[state], next = state > 0 ? best[state - 1] : impossible, skip = may_skip ? best[state - 2] : impossible;
      const std::uint8_t step = stay >= next && stay >= skip ? 0 : next >= skip ? 1 : 2;
      steps[t * states + state] = step;
      best[state] = (step == 2 ? skip : step == 1 ? next : stay) + frames[static_cast<std::int64_t>(t)][label_of(state)];
    }
  }
  std::size_t state = states > 1 && best[states - 1] <= best[states - 2] ? states - 2 : states - 1;
  if (best[state] == impossible) throw DataError("forced alignment: every path has the probability 0: are these log-probabilities?");

  found.log_probability = best[state];
  found.path.resize(count);
  found.log_probs.resize(count);
  for (std::size_t t = count; t-- > 0; state -= steps[t * states + state]) {
    found.path[t] = state % 2 == 0 ? -1 : static_cast<std::int64_t>(state / 2);
    found.log_probs[t] = frames[static_cast<std::int64_t>(t)][label_of(state)];
  }
  return found;
}

std::vector<CtcSpan> label_spans(const CtcAlignment& alignment) {
  std::vector<CtcSpan> spans;
  for (std::size_t t = 0; t < alignment.path.size(); ++t) {
    if (alignment.path[t] < 0) continue;
    const auto frame = static_cast<std::int64_t>(t);
    const bool is_new = static_cast<std::size_t>(alignment.path[t]) == spans.size();
    if (is_new) spans.push_back({frame, frame, 0});
    spans.back().end_frame = frame + 1;
    spans.back().score += alignment.log_probs[t];
  }
  for (CtcSpan& span : spans) span.score = std::exp(span.score / static_cast<double>(span.end_frame - span.first_frame));
  return spans;
}

std::vector<CtcWordRange> word_ranges(const std::vector<std::int64_t>& ids, std::optional<std::int64_t> delimiter) {
  std::vector<CtcWordRange> words;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] == delimiter) continue;
    if (words.empty() || words.back().end != i) words.push_back({i, i});
    words.back().end = i + 1;
  }
  return words;
}

std::vector<CtcSpan> word_spans(const CtcAlignment& alignment, const std::vector<CtcWordRange>& words) {
  const std::vector<CtcSpan> labels = label_spans(alignment);
  std::vector<CtcSpan> spans;
  for (const auto& [first, end] : words) {
    double sum = 0;
    std::int64_t frames = 0;
    for (std::size_t i = first; i < end; ++i) {
      const std::int64_t own = labels[i].end_frame - labels[i].first_frame;
      sum += static_cast<double>(own) * std::log(labels[i].score);
      frames += own;
    }
    spans.push_back({labels[first].first_frame, labels[end - 1].end_frame, std::exp(sum / static_cast<double>(frames))});
  }
  return spans;
}

}  // namespace thaw
