#include "framework/tasks/selective.h"

namespace thaw {

std::vector<SelectivePoint> selective_accuracy(std::span<const Answer> answers, std::span<const double> thresholds) {
  std::vector<SelectivePoint> points;
  for (const double threshold : thresholds) {
    double answered = 0, right = 0;
    for (const Answer& answer : answers) {
      if (answer.confidence < threshold) continue;
      answered += 1;
      right += answer.right ? 1 : 0;
    }
    SelectivePoint point{threshold, answers.empty() ? 0 : answered / static_cast<double>(answers.size()), {}};
    if (answered > 0) point.accuracy = right / answered;
    points.push_back(point);
  }
  return points;
}

}  // namespace thaw
