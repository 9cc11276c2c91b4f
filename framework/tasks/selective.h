// What a classifier is worth that answers nothing where it is unsure: selective classification (Geifman and El-Yaniv 2017), whose
// coverage is the share of rows that are answered.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

namespace thaw {

struct Answer {
  double confidence = 0;  // the probability of the label that is given
  bool right = false;
};

struct SelectivePoint {
  double threshold = 0;            // answers of less confidence are withheld
  double answered = 0;             // the share of rows; 0 where there are none
  std::optional<double> accuracy;  // among the answered; nothing where none is
};

inline constexpr std::array selective_thresholds{0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99};

// A point for each threshold, in their order.
std::vector<SelectivePoint> selective_accuracy(std::span<const Answer> answers, std::span<const double> thresholds = selective_thresholds);

}  // namespace thaw
