// thaw compare: finished runs side by side: grouped by the settings that differ, seeds apart, with mean and deviation.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/json.h"
#include "framework/base/text.h"
#include "framework/train/evaluator.h"
#include "framework/train/recipe.h"
#include "launcher/commands.h"

namespace thaw {
namespace {

struct CompareOptions {
  std::vector<std::string> runs;
  std::string metric;
  bool json = false;
};

using Settings = std::map<std::string, std::string>;

struct Run {
  std::string name;
  Settings settings;
  Json status;  // empty where it was not written
  Json result;  // empty until the run is done
  double value = 0;
};

struct Group {
  Settings settings;  // those that differ between groups
  std::vector<Run> runs;
  double mean = 0;
  std::optional<double> deviation;  // of the sample: of two runs and more
  const Run* best = nullptr;
};

// Keys in which runs of one setting may differ.
bool apart(const std::string& key) {
  static const std::set<std::string> keys{"seed",         "seeds",   "output_dir",     "max_time",
                                          "comm_timeout", "threads", "data.cache_dir", "optimizer.sharded"};
  return keys.contains(key) || key.starts_with("seeds.") || key.starts_with("checkpoint.") || key.starts_with("cache.");
}

Run read_run(const std::string& name) {
  const fs::path path(name);
  if (!fs::is_directory(path)) throw FileError(ExitCode::input_missing, "{}: expected the directory of a run; there is none", name);
  if (!fs::exists(path / "recipe.yaml"))
    throw FileError(ExitCode::input_missing, "{}: expected the directory of a run; it has no recipe.yaml", name);
  Run run{name, recipe_values(read_recipe(path / "recipe.yaml")), Json::object(), Json::object(), 0};
  if (fs::exists(path / "status.json")) run.status = JsonFile(path / "status.json").raw();
  if (fs::exists(path / "result.json")) run.result = JsonFile(path / "result.json").raw();
  return run;
}

bool finished(const Run& run) { return run.status.is_object() && run.status.value("state", "") == "done" && run.result.is_object(); }

std::string chosen_metric(const std::vector<Run>& runs) {
  std::set<std::string> metrics;
  for (const Run& run : runs)
    metrics.insert(run.result.contains("metric") && run.result["metric"].is_string() ? run.result["metric"].get<std::string>() : "");
  if (metrics.size() != 1 || metrics.contains("")) {
    metrics.erase("");
    throw UsageError("these runs do not all have one metric by which they chose their best ({}): name one by --metric",
                     metrics.empty() ? "none has one" : listed({metrics.begin(), metrics.end()}));
  }
  return *metrics.begin();
}

// The value that the run's best model was chosen by, where that is the metric; else the metric's last one.
double value_of(const Run& run, const std::string& metric) {
  const JsonView result(run.result, run.name + "/result.json");
  if (result.text_or("metric", "") == metric) return result["value"].number();
  std::vector<std::string> known;
  if (result.has("metrics"))
    for (const auto& [name, value] : result["metrics"].raw().items()) known.push_back(name);
  if (std::find(known.begin(), known.end(), metric) == known.end())
    throw DataError("{}: {}: no such metric; this run has {}", run.name, metric, known.empty() ? "none" : listed(known));
  return result["metrics"][metric].number();
}

// The keys whose values are not the same in all runs; a key that a run's recipe lacks counts as a value of its own.
std::vector<std::string> differing(const std::vector<Run>& runs) {
  std::map<std::string, std::set<std::string>> values;
  std::map<std::string, std::size_t> present;
  for (const Run& run : runs)
    for (const auto& [key, value] : run.settings) values[key].insert(value), ++present[key];
  std::vector<std::string> keys;
  for (const auto& [key, found] : values)
    if (!apart(key) && (found.size() > 1 || present[key] != runs.size())) keys.push_back(key);
  return keys;
}

void summarise(Group& group, bool larger) {
  const auto n = static_cast<double>(group.runs.size());
  for (const Run& run : group.runs) {
    group.mean += run.value / n;
    if (group.best == nullptr || (larger ? run.value > group.best->value : run.value < group.best->value)) group.best = &run;
  }
  if (group.runs.size() < 2) return;
  double squares = 0;
  for (const Run& run : group.runs) squares += (run.value - group.mean) * (run.value - group.mean);
  group.deviation = std::sqrt(squares / (n - 1));
}

// Best mean first.
std::vector<Group> grouped(std::vector<Run> runs, const std::vector<std::string>& keys, bool larger) {
  std::map<Settings, std::vector<Run>> by_settings;
  for (Run& run : runs) {
    Settings settings;
    for (const std::string& key : keys) settings[key] = run.settings.contains(key) ? run.settings[key] : "-";
    by_settings[settings].push_back(std::move(run));
  }
  std::vector<Group> groups;
  for (auto& [settings, members] : by_settings) groups.push_back({settings, std::move(members), 0, {}, nullptr});
  for (Group& group : groups) summarise(group, larger);
  std::stable_sort(groups.begin(), groups.end(),
                   [&](const Group& a, const Group& b) { return larger ? a.mean > b.mean : a.mean < b.mean; });
  return groups;
}

Json as_json(const std::vector<Group>& groups, const std::vector<Run>& unfinished, const std::string& metric) {
  Json report{{"metric", metric}, {"groups", Json::array()}, {"unfinished", Json::array()}};
  for (const Group& group : groups) {
    Json runs = Json::array();
    for (const Run& run : group.runs) runs.push_back({{"run", run.name}, {"seed", run.result.value("seed", Json())}, {"value", run.value}});
    report["groups"].push_back({{"settings", group.settings},
                                {"n", group.runs.size()},
                                {"mean", group.mean},
                                {"std", group.deviation ? Json(*group.deviation) : Json()},
                                {"best", {{"run", group.best->name}, {"value", group.best->value}}},
                                {"runs", runs}});
  }
  for (const Run& run : unfinished) {
    Json entry = run.status;
    entry["run"] = run.name;
    report["unfinished"].push_back(entry);
  }
  return report;
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c)
      line += (c == 0 ? "" : "  ") + (c + 1 == row.size() ? row[c] : fmt::format("{:<{}}", row[c], widths[c]));
    fmt::print("{}\n", printable(line));
  }
}

void print(const std::vector<Group>& groups, const std::vector<std::string>& keys, const std::vector<Run>& unfinished,
           const std::string& metric) {
  std::vector<std::vector<std::string>> rows{keys};
  for (const char* column : {"n", "mean", "± deviation", "best", "run"}) rows.front().emplace_back(column);
  for (const Group& group : groups) {
    auto& row = rows.emplace_back();
    for (const std::string& key : keys) row.push_back(group.settings.at(key));
    row.push_back(fmt::format("{}", group.runs.size()));
    row.push_back(fmt::format("{:.4f}", group.mean));
    row.push_back(group.deviation ? fmt::format("± {:.4f}", *group.deviation) : "");
    row.push_back(fmt::format("{:.4f}", group.best->value));
    row.push_back(group.best->name);
  }
  if (!groups.empty()) {
    fmt::print("{}\n", metric);
    print_table(rows);
  }
  for (const Run& run : unfinished) {
    const std::string state = run.status.value("state", "not begun"), message = run.status.value("message", "");
    const Json step = run.status.value("step", Json());
    fmt::print("{}\n", printable(fmt::format("not in it: {}: {}{}{}", run.name, state,
                                             step.is_number() ? fmt::format(" at step {}", step.dump()) : "",
                                             message.empty() ? "" : " (" + message + ")")));
  }
}

int compare(const CompareOptions& options) {
  std::vector<Run> runs, unfinished;
  std::set<fs::path> seen;
  for (const std::string& name : options.runs) {
    Run run = read_run(name);
    if (!seen.insert(fs::weakly_canonical(name)).second) continue;
    (finished(run) ? runs : unfinished).push_back(std::move(run));
  }
  std::string metric = options.metric;
  if (metric.empty() && !runs.empty()) metric = chosen_metric(runs);
  for (Run& run : runs) run.value = value_of(run, metric);
  const std::vector<std::string> keys = differing(runs);
  const std::vector<Group> groups = grouped(std::move(runs), keys, larger_is_better(metric));
  if (options.json) fmt::print("{}\n", as_json(groups, unfinished, metric).dump(-1, ' ', false, Json::error_handler_t::replace));
  else print(groups, keys, unfinished, metric);
  return 0;
}

}  // namespace

void add_compare(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("compare", "Mean and deviation of runs that differ in their seeds, side by side");
  auto options = std::make_shared<CompareOptions>();
  command->add_option("runs", options->runs, "Run directories")->required();
  command->add_option("--metric", options->metric, "Such as dev/accuracy; without it the one that each run chose its best model by");
  command->add_flag("--json", options->json, "In JSON");
  command->footer("Example:  thaw compare runs/reviews-*");
  command->callback([=, &exit_code] { exit_code = compare(*options); });
}

}  // namespace thaw
