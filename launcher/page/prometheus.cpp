#include "launcher/page/prometheus.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>
#include <vector>

namespace thaw {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out += "\\\\";
    else if (c == '"') out += "\\\"";
    else if (c == '\n') out += "\\n";
    else out += c;
  }
  return out;
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

// One name with its HELP and TYPE and then all its samples, which the format wants together.
class Family {
 public:
  Family(std::string& out, std::string name, const char* help, const char* type = "gauge") : out_(out), name_(std::move(name)) {
    head_ = fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name_, help, type);
  }
  void add(double value, const Labels& labels = {}) {
    out_ += std::exchange(head_, "") + name_;
    for (std::size_t i = 0; i < labels.size(); ++i)
      out_ += fmt::format("{}{}=\"{}\"", i == 0 ? "{" : ",", labels[i].first, escaped(labels[i].second));
    out_ += fmt::format("{} {}\n", labels.empty() ? "" : "}", number_text(value));
  }
  // Nothing where `object` has no such key; NaN where it is null.
  void add(const Json& object, const char* key, const Labels& labels = {}) {
    if (!object.is_object() || !object.contains(key)) return;
    const Json& value = object[key];
    if (value.is_number()) add(value.get<double>(), labels);
    else if (value.is_null()) add(NAN, labels);
  }

 private:
  std::string& out_;
  std::string name_, head_;
};

std::string text_in(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

// The last value of each column of steps.
Json last_step(const Json& view) {
  Json last = Json::object();
  if (!view.contains("steps")) return last;
  for (const auto& [name, column] : view["steps"].items())
    if (column.is_array() && !column.empty()) last[name] = column.back();
  return last;
}

void add_run(std::string& out, const Json& view) {
  const Json recipe = view.value("recipe", Json());
  Family(out, "thaw_run_info", "What is being fine-tuned.")
      .add(1, {{"run", text_in(view, "name")},
               {"model", text_in(recipe, "model")},
               {"task", text_in(recipe, "task")},
               {"precision", text_in(recipe, "precision")}});
  Family states(out, "thaw_run_state", "1 for the state that the run is in.");
  for (const char* const state : {"waiting", "starting", "running", "done", "stopped", "failed", "interrupted"})
    states.add(text_in(view, "state") == state ? 1 : 0, {{"state", state}});
  Family(out, "thaw_step", "Optimizer steps done.").add(view, "step");
  if (view.contains("total_steps") && view["total_steps"].is_number())
    Family(out, "thaw_planned_steps", "Optimizer steps of the whole run, at the most.").add(view, "total_steps");
  Family(out, "thaw_rows_total", "Rows learnt from.", "counter").add(view, "rows");
  Family(out, "thaw_train_seconds_total", "Time spent in optimizer steps.", "counter").add(view, "train_s");
  Family(out, "thaw_not_finite_steps_total", "Steps whose loss or gradient was not finite, and which taught nothing.", "counter")
      .add(view, "not_finite");
}

void add_last_step(std::string& out, const Json& view) {
  const Json last = last_step(view);
  struct Column {
    const char *key, *name, *help;
  };
  for (const Column& column : std::initializer_list<Column>{
           {"epoch", "thaw_epoch", "Epoch of the last step, from 0."},
           {"phase", "thaw_phase", "Phase of the last step, from 1."},
           {"loss", "thaw_loss", "Loss of the last step."},
           {"lr", "thaw_learning_rate", "Highest learning rate of the last step."},
           {"grad_norm", "thaw_gradient_norm", "Global L2 norm of the last gradient, before clipping."},
           {"rows_per_s", "thaw_rows_per_second", "Rows a second, all ranks, in the last step."},
           {"tokens_per_s", "thaw_tokens_per_second", "Tokens a second, all ranks, in the last step."},
           {"step_s", "thaw_step_seconds", "Time of the last step."},
           {"comm_wait_s", "thaw_communication_wait_seconds", "Time of the last step spent waiting for gradients of other ranks."},
           {"comm_hidden_s", "thaw_communication_hidden_seconds",
            "Time of the last step's backward pass while gradients were on their way."},
           {"comm_bytes", "thaw_communication_bytes", "Bytes that a rank shared in the last step."}})
    Family(out, column.name, column.help).add(last, column.key);
}

void add_metrics(std::string& out, const Json& view) {
  if (!view.contains("evaluations") || !view["evaluations"].is_array() || view["evaluations"].empty()) return;
  Family metrics(out, "thaw_metric", "The last evaluation, by set and metric.");
  for (const auto& [name, value] : view["evaluations"].back()["metrics"].items()) {
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos || !value.is_number()) continue;
    metrics.add(value.get<double>(), {{"set", name.substr(0, slash)}, {"metric", name.substr(slash + 1)}});
  }
  if (view.contains("best") && view["best"].is_object() && view["best"]["value"].is_number())
    Family(out, "thaw_best_metric", "The best value so far of the metric that the recipe chooses by.")
        .add(view["best"]["value"].get<double>(), {{"metric", text_in(view["best"], "metric")}});
}

void add_ranks(std::string& out, const Json& live) {
  if (!live.contains("ranks") || !live["ranks"].is_array()) return;
  struct Column {
    const char *key, *name, *help;
  };
  for (const Column& column :
       std::initializer_list<Column>{{"step", "thaw_rank_step", "Optimizer steps done, by rank."},
                                     {"memory_bytes", "thaw_rank_memory_bytes", "Memory held, by rank."},
                                     {"step_s", "thaw_rank_step_seconds", "Time of the last step, by rank."},
                                     {"wait_s", "thaw_rank_wait_seconds", "Time of the last step spent waiting for other ranks, by rank."},
                                     {"slow", "thaw_rank_slow_factor", "Step time against the median rank's."},
                                     {"seen_s", "thaw_rank_silent_seconds", "Time since the rank was last heard of."}}) {
    Family family(out, column.name, column.help);
    for (const Json& rank : live["ranks"])
      if (rank.is_object() && rank.contains("rank"))
        family.add(rank, column.key, {{"rank", rank["rank"].dump()}, {"host", text_in(rank, "host")}});
  }
}

}  // namespace

std::string prometheus_text(const Json& view) {
  std::string out;
  add_run(out, view);
  add_last_step(out, view);
  add_metrics(out, view);
  if (view.contains("live") && view["live"].is_object()) {
    const Json& live = view["live"];
    Family(out, "thaw_attempt", "Which start of the job this is, from 1.").add(live, "attempt");
    Family(out, "thaw_restarts_total", "Restarts after a lost rank.", "counter").add(live, "restarts");
    add_ranks(out, live);
  }
  return out;
}

}  // namespace thaw
