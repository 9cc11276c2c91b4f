// The steps of a run for people to look at: however many there were, at most about two thousand points in bounded memory.
// Steps are gathered in spans of equal length, which doubles whenever there are too many of them. Of a span are kept the steps
// with the lowest and the highest loss and the highest gradient norm, as they were, and the means over all its steps.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "framework/base/json.h"

namespace thaw {

struct StepPoint {
  double step = 0, epoch = 0, phase = 0, loss = 0, lr = 0, grad_norm = 0, rows = 0, tokens = 0, step_s = 0, comm_wait_s = 0,
         comm_hidden_s = 0, comm_bytes = 0;
  double elapsed_s = 0;  // of the run: steps and evaluations until here
};

// Numbers with the digits that a picture can show; null where not finite.
Json short_number(double value);

class StepSeries {
 public:
  static constexpr std::size_t most_spans = 600;

  void add(const StepPoint& point);
  void clear() { *this = StepSeries(); }

  std::int64_t count() const { return count_; }
  const StepPoint& last() const { return last_; }  // of no meaning where count() is 0

  // By column, each an array: {"step": [1, 2, …], "loss": […], …}. rows_per_s stands for rows and step_s.
  Json points() const;
  Json means() const;  // `step` is a span's last one; `steps` how many it holds; loss the mean of the finite ones

 private:
  struct Span {
    StepPoint lowest, highest, steepest;  // by loss, loss, gradient norm
    StepPoint sum;                        // of loss, gradient norm, rows, tokens, seconds and bytes; the rest is the last step's
    double steps = 0, finite = 0;
  };
  static Span span_of(const StepPoint& point);
  static void join(Span& span, const Span& later);

  std::vector<Span> spans_;
  std::int64_t length_ = 1, count_ = 0;  // steps of a whole span; steps so far
  StepPoint last_;
};

}  // namespace thaw
