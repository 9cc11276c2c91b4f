#include "framework/train/divergence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace thaw {
namespace {

constexpr std::int64_t enough_to_judge = 50, remembered = 100;  // steps

}  // namespace

double DivergenceWatch::Running::deviations(double value) const { return variance > 0 ? (value - mean) / std::sqrt(variance) : 0; }

// Welford's update, with a weight that never falls below that of one in `remembered`.
void DivergenceWatch::Running::add(double value, std::int64_t before) {
  const double weight = 1.0 / static_cast<double>(std::min(before + 1, remembered)), from_mean = value - mean;
  mean += weight * from_mean;
  variance = (1 - weight) * (variance + weight * from_mean * from_mean);
}

bool DivergenceWatch::finite(double loss, double gradient_norm) {
  unusual_.clear();
  if (!std::isfinite(loss) || !std::isfinite(gradient_norm)) {
    ++skipped_;
    ++in_a_row_;
    return false;
  }
  in_a_row_ = 0;
  const double norm = std::log(std::max(gradient_norm, 1e-30));
  if (recipe_.z_score > 0 && seen_ >= enough_to_judge) {
    const double of_loss = loss_.deviations(loss), of_norm = norm_.deviations(norm);
    if (of_loss >= recipe_.z_score)
      unusual_ = fmt::format("the loss {:.4g} is {:.1f} deviations above its mean {:.4g}", loss, of_loss, loss_.mean);
    else if (of_norm >= recipe_.z_score)
      unusual_ = fmt::format("the gradient's norm {:.4g} is {:.1f} deviations above its mean {:.4g} (of logarithms)", gradient_norm,
                             of_norm, std::exp(norm_.mean));
  }
  loss_.add(loss, seen_);
  norm_.add(norm, seen_++);
  return true;
}

Json DivergenceWatch::state() const {
  return {{"skipped", skipped_},
          {"in_a_row", in_a_row_},
          {"seen", seen_},
          {"loss_mean", loss_.mean},
          {"loss_variance", loss_.variance},
          {"norm_mean", norm_.mean},
          {"norm_variance", norm_.variance}};
}

void DivergenceWatch::load(const Json& state) {
  skipped_ = state.at("skipped");
  in_a_row_ = state.at("in_a_row");
  seen_ = state.at("seen");
  loss_ = {state.at("loss_mean"), state.at("loss_variance")};
  norm_ = {state.at("norm_mean"), state.at("norm_variance")};
}

}  // namespace thaw
