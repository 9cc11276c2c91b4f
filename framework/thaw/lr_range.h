// The learning-rate range test (Smith 2017) as fastai's lr_find has it: a rate that grows exponentially from step to step, the
// loss smoothed, the end where it is four times its best; and fastai's suggestions `valley` and `steep` read off the curve.
#pragma once

#include <string>
#include <vector>

namespace thaw {

class LrRangeTest {
 public:
  LrRangeTest(double start, double end, int steps) : start_(start), end_(end), steps_(steps) {}

  bool goes_on() const { return !diverged_ && static_cast<int>(lr_.size()) < steps_; }
  double next_lr() const;  // start · (end / start)^(steps done / steps)
  void add(double loss);   // of the step at next_lr(); not finite: it diverged

  const std::vector<double>& lr() const { return lr_; }
  const std::vector<double>& loss() const { return loss_; }  // smoothed, beta 0.98, its start corrected as Adam's moments are
  bool diverged() const { return diverged_; }

  struct Suggestion {
    std::string name;
    double lr = 0, loss = 0;
  };
  // valley: two thirds or so into the longest run of ever lower losses (with gaps); steep: where the loss falls fastest over
  // log lr. The first tenth of the steps and the last five do not count. Empty where too few are left.
  std::vector<Suggestion> suggestions() const;

 private:
  double start_, end_;
  int steps_;
  std::vector<double> lr_, loss_;
  double mean_ = 0, best_ = 0;
  bool diverged_ = false, finite_ = true;
};

}  // namespace thaw
