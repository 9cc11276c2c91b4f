#include "framework/tasks/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace thaw {
namespace {

double ratio(double above, double below) { return below == 0 ? 0 : above / below; }

double f1_of(std::int64_t hits, std::int64_t wrong, std::int64_t missed) {
  return ratio(2.0 * static_cast<double>(hits), static_cast<double>(2 * hits + wrong + missed));
}

}  // namespace

std::int64_t ClassCounts::targets(std::size_t of_class) const {
  std::int64_t sum = 0;
  for (std::size_t p = 0; p < classes_; ++p) sum += at(of_class, p);
  return sum;
}

std::int64_t ClassCounts::predictions(std::size_t of_class) const {
  std::int64_t sum = 0;
  for (std::size_t t = 0; t < classes_; ++t) sum += at(t, of_class);
  return sum;
}

std::int64_t ClassCounts::total() const { return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0}); }

double ClassCounts::accuracy() const {
  std::int64_t right = 0;
  for (std::size_t c = 0; c < classes_; ++c) right += at(c, c);
  return ratio(static_cast<double>(right), static_cast<double>(total()));
}

double ClassCounts::accuracy(std::size_t c) const { return ratio(static_cast<double>(at(c, c)), static_cast<double>(targets(c))); }
double ClassCounts::f1(std::size_t c) const { return f1_of(at(c, c), predictions(c) - at(c, c), targets(c) - at(c, c)); }

double ClassCounts::f1_macro() const {
  double sum = 0;
  int seen = 0;
  for (std::size_t c = 0; c < classes_; ++c) {
    if (targets(c) + predictions(c) == 0) continue;
    sum += f1(c);
    ++seen;
  }
  return ratio(sum, seen);
}

double ClassCounts::f1_micro() const { return accuracy(); }

// Gorodkin's form for many classes: (c·s − Σ t·p) / sqrt((s² − Σ p²)(s² − Σ t²)).
double ClassCounts::matthews() const {
  const auto s = static_cast<double>(total());
  double tp = 0, tt = 0, pp = 0, correct = 0;
  for (std::size_t c = 0; c < classes_; ++c) {
    const auto t = static_cast<double>(targets(c)), p = static_cast<double>(predictions(c));
    correct += static_cast<double>(at(c, c));
    tp += t * p;
    tt += t * t;
    pp += p * p;
  }
  return ratio(correct * s - tp, std::sqrt((s * s - pp) * (s * s - tt)));
}

void LabelCounts::add(const std::vector<bool>& target, const std::vector<bool>& prediction) {
  ++rows_;
  exact_ += target == prediction ? 1 : 0;
  for (std::size_t label = 0; label < hit_.size(); ++label) {
    hit_[label] += target[label] && prediction[label] ? 1 : 0;
    wrong_[label] += !target[label] && prediction[label] ? 1 : 0;
    missed_[label] += target[label] && !prediction[label] ? 1 : 0;
  }
}

double LabelCounts::f1(std::size_t label) const { return f1_of(hit_[label], wrong_[label], missed_[label]); }

double LabelCounts::f1_macro() const {
  double sum = 0;
  for (std::size_t label = 0; label < hit_.size(); ++label) sum += f1(label);
  return ratio(sum, static_cast<double>(hit_.size()));
}

double LabelCounts::f1_micro() const {
  const auto sum = [](const std::vector<std::int64_t>& counts) { return std::accumulate(counts.begin(), counts.end(), std::int64_t{0}); };
  return f1_of(sum(hit_), sum(wrong_), sum(missed_));
}

double mean_squared_error(const std::vector<double>& targets, const std::vector<double>& predictions) {
  double sum = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) sum += (targets[i] - predictions[i]) * (targets[i] - predictions[i]);
  return ratio(sum, static_cast<double>(targets.size()));
}

double mean_absolute_error(const std::vector<double>& targets, const std::vector<double>& predictions) {
  double sum = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) sum += std::abs(targets[i] - predictions[i]);
  return ratio(sum, static_cast<double>(targets.size()));
}

double pearson(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  if (a.empty()) return 0;
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n, mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ratio(ab, std::sqrt(aa * bb));
}

double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  const auto ranks = [](const std::vector<double>& values) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return values[i] < values[j]; });
    std::vector<double> rank(values.size());
    for (std::size_t begin = 0; begin < order.size();) {
      std::size_t end = begin;
      while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
      for (std::size_t i = begin; i < end; ++i) rank[order[i]] = 0.5 * static_cast<double>(begin + end + 1);
      begin = end;
    }
    return rank;
  };
  return pearson(ranks(a), ranks(b));
}

}  // namespace thaw
