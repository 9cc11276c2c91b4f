#include "launcher/page/step_series.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace thaw {
namespace {

// A loss that is not finite is the highest there is.
double height(double value) { return std::isfinite(value) ? value : std::numeric_limits<double>::infinity(); }

void push(Json& columns, const StepPoint& p) {
  columns["step"].push_back(short_number(p.step));
  columns["epoch"].push_back(short_number(p.epoch));
  columns["phase"].push_back(short_number(p.phase));
  columns["elapsed_s"].push_back(short_number(p.elapsed_s));
  columns["loss"].push_back(short_number(p.loss));
  columns["lr"].push_back(short_number(p.lr));
  columns["grad_norm"].push_back(short_number(p.grad_norm));
  columns["rows_per_s"].push_back(p.step_s > 0 ? short_number(p.rows / p.step_s) : Json());
  columns["tokens_per_s"].push_back(p.step_s > 0 ? short_number(p.tokens / p.step_s) : Json());
  columns["step_s"].push_back(short_number(p.step_s));
  columns["comm_wait_s"].push_back(short_number(p.comm_wait_s));
  columns["comm_hidden_s"].push_back(short_number(p.comm_hidden_s));
  columns["comm_bytes"].push_back(short_number(p.comm_bytes));
}

Json no_columns() {
  Json columns;
  for (const char* name : {"step", "epoch", "phase", "elapsed_s", "loss", "lr", "grad_norm", "rows_per_s", "tokens_per_s", "step_s",
                           "comm_wait_s", "comm_hidden_s", "comm_bytes"})
    columns[name] = Json::array();
  return columns;
}

}  // namespace

Json short_number(double value) {
  if (!std::isfinite(value)) return {};
  if (std::abs(value) < 9e15 && value == std::floor(value)) return static_cast<std::int64_t>(value);
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.5g", value);
  return std::strtod(digits, nullptr);
}

StepSeries::Span StepSeries::span_of(const StepPoint& point) {
  Span span{point, point, point, point, 1, std::isfinite(point.loss) ? 1.0 : 0.0};
  for (double* const sum : {&span.sum.loss, &span.sum.grad_norm})
    if (!std::isfinite(*sum)) *sum = 0;
  return span;
}

void StepSeries::join(Span& span, const Span& later) {
  if (height(later.lowest.loss) < height(span.lowest.loss)) span.lowest = later.lowest;
  if (height(later.highest.loss) > height(span.highest.loss)) span.highest = later.highest;
  if (height(later.steepest.grad_norm) > height(span.steepest.grad_norm)) span.steepest = later.steepest;
  StepPoint sum = later.sum;
  for (double StepPoint::*const part : {&StepPoint::loss, &StepPoint::grad_norm, &StepPoint::rows, &StepPoint::tokens, &StepPoint::step_s,
                                        &StepPoint::comm_wait_s, &StepPoint::comm_hidden_s, &StepPoint::comm_bytes})
    sum.*part += span.sum.*part;
  span.sum = sum;
  span.steps += later.steps;
  span.finite += later.finite;
}

void StepSeries::add(const StepPoint& point) {
  last_ = point;
  ++count_;
  if (!spans_.empty() && spans_.back().steps < static_cast<double>(length_)) {
    join(spans_.back(), span_of(point));
    return;
  }
  spans_.push_back(span_of(point));
  if (spans_.size() <= most_spans) return;
  length_ *= 2;
  const std::size_t half = (spans_.size() + 1) / 2;
  for (std::size_t i = 0; i < half; ++i) {
    Span joined = spans_[2 * i];
    if (2 * i + 1 < spans_.size()) join(joined, spans_[2 * i + 1]);
    spans_[i] = joined;
  }
  spans_.resize(half);
}

Json StepSeries::points() const {
  Json columns = no_columns();
  double before = 0;
  for (const Span& span : spans_) {
    std::array<const StepPoint*, 3> chosen{&span.lowest, &span.highest, &span.steepest};
    std::sort(chosen.begin(), chosen.end(), [](const StepPoint* a, const StepPoint* b) { return a->step < b->step; });
    for (const StepPoint* const point : chosen) {
      if (point->step == before) continue;
      push(columns, *point);
      before = point->step;
    }
  }
  if (count_ > 0 && before != last_.step) push(columns, last_);
  return columns;
}

Json StepSeries::means() const {
  Json columns = no_columns();
  columns["steps"] = Json::array();
  for (const Span& span : spans_) {
    StepPoint mean = span.sum;
    mean.loss = span.finite > 0 ? mean.loss / span.finite : NAN;
    for (double StepPoint::*const part : {&StepPoint::grad_norm, &StepPoint::rows, &StepPoint::tokens, &StepPoint::step_s,
                                          &StepPoint::comm_wait_s, &StepPoint::comm_hidden_s, &StepPoint::comm_bytes})
      mean.*part /= span.steps;
    push(columns, mean);
    columns["steps"].push_back(short_number(span.steps));
  }
  return columns;
}

}  // namespace thaw
