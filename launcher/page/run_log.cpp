#include "launcher/page/run_log.h"

#include <algorithm>
#include <cmath>

namespace thaw {
namespace {

constexpr std::size_t most_phases = 1000;

double finite_or_0(double value) { return std::isfinite(value) ? value : 0; }

// Without what is told label by label: a thousand evaluations of a thousand labels would be a long list.
Json short_metrics(const Json& metrics) {
  Json kept = Json::object();
  for (const auto& [name, value] : metrics.items())
    if (std::count(name.begin(), name.end(), '/') < 2 && value.is_number()) kept[name] = short_number(value.get<double>());
  return kept;
}

}  // namespace

double number_in(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_number() ? found->get<double>() : NAN;
}

void RunLog::take(const Json& entry) {
  const double step = number_in(entry, "step");
  if (!(step >= 0 && step < 9e15)) return;
  if (entry.contains("loss")) take_step(entry, step);
  else if (entry.contains("metrics") && entry["metrics"].is_object()) take_evaluation(entry, step);
}

void RunLog::take_step(const Json& entry, double step) {
  StepPoint point{step,
                  finite_or_0(number_in(entry, "epoch")),
                  1,
                  number_in(entry, "loss"),
                  finite_or_0(number_in(entry, "lr")),
                  number_in(entry, "grad_norm"),
                  finite_or_0(number_in(entry, "rows")),
                  finite_or_0(number_in(entry, "tokens")),
                  finite_or_0(number_in(entry, "step_s")),
                  finite_or_0(number_in(entry, "comm_wait_s")),
                  finite_or_0(number_in(entry, "comm_hidden_s")),
                  finite_or_0(number_in(entry, "comm_bytes"))};
  if (const double phase = number_in(entry, "phase"); phase >= 1 && phase < 1e6) point.phase = std::floor(phase);
  rows_ += point.rows;
  train_s_ += point.step_s;
  elapsed_s_ += point.step_s;
  point.elapsed_s = elapsed_s_;
  if (!std::isfinite(point.loss) || !std::isfinite(point.grad_norm)) ++not_finite_;
  if (const double total = number_in(entry, "total_steps"); total >= step && total < 9e15) total_steps_ = static_cast<std::int64_t>(total);

  if (point.epoch != epoch_) {
    if (point.epoch == epoch_ + 1) steps_per_epoch_ = static_cast<std::int64_t>(step - epoch_began_);
    epoch_ = point.epoch;
    epoch_began_ = step;
  }
  const auto number = static_cast<std::int64_t>(point.phase), at = static_cast<std::int64_t>(step);
  if (phases_.contains(number) || phases_.size() < most_phases) {
    PhaseSeen& phase = phases_.try_emplace(number, PhaseSeen{at}).first->second;
    phase.last = at;
    ++phase.steps;
    phase.rows += point.rows;
    phase.train_s += point.step_s;
    phase.comm_bytes += point.comm_bytes;
    phase.highest_lr = std::max(phase.highest_lr, point.lr);
  }
  steps_.add(point);
}

void RunLog::take_evaluation(const Json& entry, double step) {
  elapsed_s_ += finite_or_0(number_in(entry, "evaluation_s"));
  const auto best = entry.find("best");
  Json evaluation{{"step", short_number(step)},
                  {"epoch", short_number(number_in(entry, "epoch"))},
                  {"elapsed_s", short_number(elapsed_s_)},
                  {"evaluation_s", short_number(number_in(entry, "evaluation_s"))},
                  {"best", best != entry.end() && best->is_boolean() && best->get<bool>()},
                  {"metrics", short_metrics(entry["metrics"])}};
  last_evaluation_ = evaluation;
  if (evaluation["best"] == true) best_evaluation_ = evaluation;
  for (const auto& [name, value] : entry["metrics"].items())
    if (value.is_number() && last_evaluation_["metrics"].size() < 2000)
      last_evaluation_["metrics"][name] = short_number(value.get<double>());
  if (evaluations_seen_++ % keep_every_ == 0) evaluations_.push_back(std::move(evaluation));
  if (evaluations_.size() <= most_evaluations) return;
  keep_every_ *= 2;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < evaluations_.size(); i += 2) evaluations_[kept++] = std::move(evaluations_[i]);
  evaluations_.resize(kept);
}

Json RunLog::evaluations() const {
  Json all = evaluations_;
  if (last_evaluation_.is_null()) return Json::array();
  const auto insert = [&](const Json& evaluation) {  // by step; the last one tells more than its short form
    const auto place = std::find_if(all.begin(), all.end(), [&](const Json& e) { return e["step"] >= evaluation["step"]; });
    if (place != all.end() && (*place)["step"] == evaluation["step"]) *place = evaluation;
    else all.insert(place, evaluation);
  };
  if (!best_evaluation_.is_null()) insert(best_evaluation_);
  insert(last_evaluation_);
  return all;
}

}  // namespace thaw
