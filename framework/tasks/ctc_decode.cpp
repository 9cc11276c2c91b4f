#include "framework/tasks/ctc_decode.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace thaw {
namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == nothing ? a : a + std::log1p(std::exp(b - a));
}

at::Tensor on_cpu(const at::Tensor& log_probs) { return log_probs.detach().to(at::kCPU, at::kFloat).contiguous(); }

// Prefixes are nodes of a tree: each knows its last label and the prefix that it extends.
struct Node {
  std::int64_t parent, label;
  std::map<std::int64_t, std::int64_t> children;
};

class Prefixes {
 public:
  static constexpr std::int64_t root = 0;
  Prefixes() { nodes_.push_back({-1, -1, {}}); }
  std::int64_t extended(std::int64_t prefix, std::int64_t label) {
    const auto [child, is_new] =
        nodes_[static_cast<std::size_t>(prefix)].children.try_emplace(label, static_cast<std::int64_t>(nodes_.size()));
    const std::int64_t node = child->second;
    if (is_new) nodes_.push_back({prefix, label, {}});
    return node;
  }
  std::int64_t last_label(std::int64_t prefix) const { return nodes_[static_cast<std::size_t>(prefix)].label; }
  std::vector<std::int64_t> labels(std::int64_t prefix) const {
    std::vector<std::int64_t> ids;
    for (; prefix != root; prefix = nodes_[static_cast<std::size_t>(prefix)].parent) ids.push_back(last_label(prefix));
    std::reverse(ids.begin(), ids.end());
    return ids;
  }

 private:
  std::vector<Node> nodes_;
};

// Of the alignments so far that spell a prefix: those that end with a blank, and those that end with its last label.
struct Score {
  double blank = nothing, label = nothing;
  double total() const { return log_add(blank, label); }
};

using Beam = std::vector<std::pair<std::int64_t, Score>>;

void keep_best(Beam& beam, std::size_t width, const Prefixes& prefixes) {
  const auto better = [&](const auto& a, const auto& b) {
    const double of_a = a.second.total(), of_b = b.second.total();
    return of_a != of_b ? of_a > of_b : prefixes.labels(a.first) < prefixes.labels(b.first);
  };
  const auto kept = static_cast<std::ptrdiff_t>(std::min(width, beam.size()));
  std::partial_sort(beam.begin(), beam.begin() + kept, beam.end(), better);
  beam.resize(static_cast<std::size_t>(kept));
}

}  // namespace

CtcLabels ctc_greedy(const at::Tensor& log_probs, std::int64_t blank) {
  CtcLabels found;
  const at::Tensor values = on_cpu(log_probs), best = values.argmax(1);
  const auto frames = values.accessor<float, 2>();
  const auto* const labels = best.data_ptr<std::int64_t>();
  for (std::int64_t t = 0; t < values.size(0); ++t) {
    found.log_probability += frames[t][labels[t]];
    if (labels[t] == blank) continue;
    if (t > 0 && labels[t - 1] == labels[t]) {
      found.last_frame.back() = t;
      continue;
    }
    found.ids.push_back(labels[t]);
    found.first_frame.push_back(t);
    found.last_frame.push_back(t);
  }
  return found;
}

std::vector<CtcHypothesis> ctc_beam_search(const at::Tensor& log_probs, const CtcBeam& settings) {
  const at::Tensor values = on_cpu(log_probs);
  const auto frames = values.accessor<float, 2>();
  Prefixes prefixes;
  Beam beam = {{Prefixes::root, Score{0, nothing}}};
  for (std::int64_t t = 0; t < values.size(0); ++t) {
    std::vector<std::int64_t> labels;
    for (std::int64_t label = 0; label < values.size(1); ++label)
      if (label != settings.blank && frames[t][label] > nothing && frames[t][label] >= settings.least_log_probability)
        labels.push_back(label);
    std::map<std::int64_t, Score> next;
    for (const auto& [prefix, score] : beam) {
      const std::int64_t last = prefixes.last_label(prefix);
      Score& same = next[prefix];
      same.blank = log_add(same.blank, score.total() + frames[t][settings.blank]);
      if (last >= 0) same.label = log_add(same.label, score.label + frames[t][last]);
      for (const std::int64_t label : labels) {
        const double before = label == last ? score.blank : score.total();  // a repetition needs a blank before it
        if (before == nothing) continue;
        Score& longer = next[prefixes.extended(prefix, label)];
        longer.label = log_add(longer.label, before + frames[t][label]);
      }
    }
    beam.assign(next.begin(), next.end());
    keep_best(beam, std::max<std::size_t>(settings.width, 1), prefixes);
  }
  std::vector<CtcHypothesis> found;
  for (const auto& [prefix, score] : beam) found.push_back({prefixes.labels(prefix), score.total()});
  return found;
}

}  // namespace thaw
