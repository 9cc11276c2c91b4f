#include "framework/tasks/ctc_decode.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

namespace thaw {
namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == nothing ? a : a + std::log1p(std::exp(b - a));
}

at::Tensor on_cpu(const at::Tensor& log_probs) { return log_probs.detach().to(at::kCPU, at::kFloat).contiguous(); }

// Prefixes are nodes of a tree: each is another prefix and one label more.
class Prefixes {
 public:
  static constexpr std::int64_t root = 0;
  static constexpr std::int64_t none = -1;

  std::int64_t find(std::int64_t prefix, std::int64_t label) const {
    const auto child = children_.find({prefix, label});
    return child == children_.end() ? none : child->second;
  }
  std::int64_t add(std::int64_t prefix, std::int64_t label) {
    nodes_.push_back({prefix, label});
    return children_[{prefix, label}] = static_cast<std::int64_t>(nodes_.size()) - 1;
  }
  std::int64_t last_label(std::int64_t prefix) const { return nodes_[static_cast<std::size_t>(prefix)].second; }
  std::vector<std::int64_t> labels(std::int64_t prefix) const {
    std::vector<std::int64_t> ids;
    for (; prefix != root; prefix = nodes_[static_cast<std::size_t>(prefix)].first) ids.push_back(last_label(prefix));
    std::reverse(ids.begin(), ids.end());
    return ids;
  }

 private:
  using Extension = std::pair<std::int64_t, std::int64_t>;  // prefix, label
  struct Hash {
    std::size_t operator()(const Extension& e) const {
      return static_cast<std::size_t>((static_cast<std::uint64_t>(e.first) << 20 ^ static_cast<std::uint64_t>(e.second)) *
                                      0x9E3779B97F4A7C15ull);
    }
  };
  std::vector<Extension> nodes_ = {{none, none}};
  std::unordered_map<Extension, std::int64_t, Hash> children_;
};

// Of the alignments so far that spell a prefix: those that end with a blank, and those that end with its last label.
struct Score {
  double blank = nothing, label = nothing;
  double total() const { return log_add(blank, label); }
};

// A prefix after a frame. One that was never in the beam is none of the tree's yet: its prefix and its last label.
struct Candidate {
  std::int64_t prefix, new_label = Prefixes::none;
  Score score = {};
  double total = nothing;
};

class Search {
 public:
  explicit Search(const CtcBeam& settings) : settings_(settings) {}

  void read(const at::TensorAccessor<float, 1>& frame) {
    candidates_.clear();
    places_.clear();
    for (const Candidate& one : beam_) {
      const std::int64_t last = prefixes_.last_label(one.prefix);
      Score& same = of_prefix(one.prefix);
      same.blank = log_add(same.blank, one.total + frame[settings_.blank]);
      if (last >= 0) same.label = log_add(same.label, one.score.label + frame[last]);
    }
    for (std::int64_t label = 0; label < frame.size(0); ++label) {
      if (label == settings_.blank || frame[label] == nothing || frame[label] < settings_.least_log_probability) continue;
      for (const Candidate& one : beam_) {
        // a repetition needs a blank before it
        const double before = label == prefixes_.last_label(one.prefix) ? one.score.blank : one.total;
        if (before != nothing) extend(one.prefix, label, before + frame[label]);
      }
    }
    keep_best();
  }

  std::vector<CtcHypothesis> hypotheses() const {
    std::vector<CtcHypothesis> found;
    for (const Candidate& one : beam_) found.push_back({prefixes_.labels(one.prefix), one.total});
    return found;
  }

 private:
  Score& of_prefix(std::int64_t prefix) {
    const auto [place, is_new] = places_.try_emplace(prefix, candidates_.size());
    if (is_new) candidates_.push_back({prefix});
    return candidates_[place->second].score;
  }

  void extend(std::int64_t prefix, std::int64_t label, double log_probability) {
    if (const std::int64_t known = prefixes_.find(prefix, label); known != Prefixes::none) {
      Score& longer = of_prefix(known);
      longer.label = log_add(longer.label, log_probability);
    } else {
      candidates_.push_back({prefix, label, {nothing, log_probability}});
    }
  }

  std::vector<std::int64_t> labels(const Candidate& one) const {
    std::vector<std::int64_t> ids = prefixes_.labels(one.prefix);
    if (one.new_label != Prefixes::none) ids.push_back(one.new_label);
    return ids;
  }

  void keep_best() {
    for (Candidate& one : candidates_) one.total = one.score.total();
    std::erase_if(candidates_, [](const Candidate& one) { return one.total == nothing; });
    const auto better = [this](const Candidate& a, const Candidate& b) {
      return a.total != b.total ? a.total > b.total : labels(a) < labels(b);
    };
    const std::size_t kept = std::min(std::max<std::size_t>(settings_.width, 1), candidates_.size());
    std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(kept), candidates_.end(), better);
    candidates_.resize(kept, {Prefixes::root});
    beam_ = candidates_;
    for (Candidate& one : beam_) {
      if (one.new_label != Prefixes::none) one = {prefixes_.add(one.prefix, one.new_label), Prefixes::none, one.score, one.total};
    }
  }

  const CtcBeam& settings_;
  Prefixes prefixes_;
  std::vector<Candidate> beam_ = {{Prefixes::root, Prefixes::none, {0, nothing}, 0}};
  std::vector<Candidate> candidates_;
  std::unordered_map<std::int64_t, std::size_t> places_;  // in candidates_, of prefixes of the tree
};

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

std::vector<CtcHypothesis> ctc_beam_search(const at::Tensor& log_probs, const CtcBeam& beam) {
  const at::Tensor values = on_cpu(log_probs);
  const auto frames = values.accessor<float, 2>();
  Search search(beam);
  for (std::int64_t t = 0; t < values.size(0); ++t) search.read(frames[t]);
  return search.hypotheses();
}

}  // namespace thaw
