// Watches a run's losses and gradients: steps that are not finite are not learned from, and unusual ones are pointed out.
#pragma once

#include <cstdint>
#include <string>

#include "framework/base/json.h"
#include "framework/train/recipe.h"

namespace thaw {

class DivergenceWatch {
 public:
  explicit DivergenceWatch(const DivergenceRecipe& recipe) : recipe_(recipe) {}

  // Takes note of a step. True where it is finite, and so may be learned from.
  bool finite(double loss, double gradient_norm);
  std::int64_t skipped() const { return skipped_; }
  bool enough() const { return in_a_row_ >= recipe_.max_skipped; }  // skipped in a row: go no further
  // Of the last step, where its loss or its gradient's norm lies as many deviations above the mean of those before as the
  // recipe says; else empty.
  const std::string& unusual() const { return unusual_; }

  Json state() const;
  void load(const Json& state);

 private:
  // Mean and variance that forget: of the last hundred values, about.
  struct Running {
    double mean = 0, variance = 0;
    double deviations(double value) const;  // above the mean
    void add(double value, std::int64_t before);
  };

  DivergenceRecipe recipe_;
  std::int64_t skipped_ = 0, in_a_row_ = 0, seen_ = 0;
  Running loss_, norm_;  // norm_: of logarithms
  std::string unusual_;
};

}  // namespace thaw
