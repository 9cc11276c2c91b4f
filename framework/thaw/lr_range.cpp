#include "framework/thaw/lr_range.h"

#include <algorithm>
#include <cmath>

namespace thaw {
namespace {

// fastai's `valley`: with the longest subsequence of ever lower losses n long and ending at `last`, half a third past the first
// third of [last − n, last].
std::size_t valley(const std::vector<double>& loss) {
  std::vector<std::size_t> longest(loss.size(), 1);  // that ends here
  std::size_t last = 0;
  for (std::size_t i = 1; i < loss.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j)
      if (loss[i] < loss[j]) longest[i] = std::max(longest[i], longest[j] + 1);
    if (longest[i] > longest[last]) last = i;
  }
  if (last == 0) return 0;  // it only ever rose
  const std::size_t n = longest[last], at = last + n / 3 + n / 6;
  return at > n ? at - n : 0;
}

std::size_t steep(const std::vector<double>& lr, const std::vector<double>& loss) {
  std::size_t best = 0;
  double lowest = 0;
  for (std::size_t i = 0; i + 1 < lr.size(); ++i) {
    const double slope = (loss[i + 1] - loss[i]) / std::log(lr[i + 1] / lr[i]);
    if (i == 0 || slope < lowest) {
      best = i;
      lowest = slope;
    }
  }
  return best;
}

}  // namespace

double LrRangeTest::next_lr() const { return start_ * std::pow(end_ / start_, static_cast<double>(lr_.size()) / steps_); }

void LrRangeTest::add(double loss) {
  constexpr double beta = 0.98;
  mean_ = beta * mean_ + (1 - beta) * loss;
  const double smoothed = mean_ / (1 - std::pow(beta, static_cast<double>(lr_.size() + 1)));
  if (!std::isfinite(smoothed)) {
    diverged_ = true;
    finite_ = false;
    return;
  }
  lr_.push_back(next_lr());
  loss_.push_back(smoothed);
  if (lr_.size() == 1 || smoothed < best_) best_ = smoothed;
  diverged_ = smoothed > 4 * best_;
}

std::vector<LrRangeTest::Suggestion> LrRangeTest::suggestions() const {
  const auto skip = static_cast<std::ptrdiff_t>(steps_ / 10);
  const auto end = static_cast<std::ptrdiff_t>(lr_.size()) - (finite_ ? 5 : 0);
  if (end - skip < 2) return {};
  const std::vector<double> lr(lr_.begin() + skip, lr_.begin() + end), loss(loss_.begin() + skip, loss_.begin() + end);
  std::vector<Suggestion> all;
  for (const auto& [name, at] : {std::pair{"valley", valley(loss)}, {"steep", steep(lr, loss)}}) all.push_back({name, lr[at], loss[at]});
  return all;
}

}  // namespace thaw
