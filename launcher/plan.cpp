// thaw plan: what a recipe will do, phase by phase, and what it will cost, before it is run.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "framework/base/file.h"
#include "framework/train/forecast.h"
#include "launcher/commands.h"
#include "launcher/job.h"
#include "launcher/plan_plot.h"
#include "launcher/plan_scale.h"
#include "launcher/ranks.h"

namespace thaw {
namespace {

struct PlanOptions {
  std::string recipe, plot, network, all_reduce = "auto";
  std::vector<std::string> overrides;
  bool json = false;
  int measure = 8, ranks = 0, ranks_per_node = 1;
};

std::string time_of(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto s = static_cast<std::int64_t>(seconds + 0.5);
  return s < 3600 ? fmt::format("{} m {:02} s", s / 60, s % 60) : fmt::format("{} h {:02} m", s / 3600, s / 60 % 60);
}

std::string bytes_of(double bytes) {
  return bytes >= 1e9   ? fmt::format("{:.2f} GB", bytes / 1e9)
         : bytes >= 1e6 ? fmt::format("{:.1f} MB", bytes / 1e6)
                        : fmt::format("{:.0f} kB", bytes / 1e3);
}

// A model that hears may take seconds a row.
std::string rows_per_second(double rows) {
  return rows >= 9.95 ? fmt::format("{:.0f}", rows) : rows >= 0.995 ? fmt::format("{:.1f}", rows) : fmt::format("{:.2f}", rows);
}

// By layer: the highest rate of its parameters that learn; 0 where it sleeps.
std::vector<double> rates_by_layer(const Model& model, const PlannedPhase& phase) {
  std::vector<double> rates(model.layers.size());
  for (std::size_t i = 0; i < model.parameters.size(); ++i)
    if (phase.learning[i])
      for (const int use : model.parameters[i].uses)
        rates[static_cast<std::size_t>(use)] = std::max(rates[static_cast<std::size_t>(use)], phase.rates[i].lr);
  return rates;
}

// Characters on a terminal: code points.
std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// The columns as wide as their widest cell; the first one to the left, the others to the right.
void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], columns_of(row[c]));
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string blanks(widths[c] - columns_of(row[c]), ' ');
      line += c == 0 ? row[c] + blanks : "  " + blanks + row[c];
    }
    fmt::print("{}\n", line);
  }
}

void print_plan(const Job& job, const ThawPlan& plan, const Forecast& forecast, const Placement& placement, bool measured) {
  const Model& model = *job.model;
  fmt::print("{}: {} on {}, {} parameters, {} steps{}\n\n", job.recipe.file.string(), job.place.name, placement.hosts,
             count_of(static_cast<double>(model.parameter_count())), plan.steps(),
             std::any_of(plan.phases.begin(), plan.phases.end(), [](const PlannedPhase& p) { return p.open_ended; }) ? " at the most" : "");
  std::vector<std::vector<std::string>> table{
      {"phase", "parameters", "down to", "steps", "buckets", "network a step", "optimizer", "cache", "TFLOP a step"}};
  if (measured)
    for (const char* column : {"memory", "rows/s", "cached", "time", "no cache"}) table.front().emplace_back(column);
  for (std::size_t i = 0; i < plan.phases.size(); ++i) {
    const PlannedPhase& phase = plan.phases[i];
    const PhaseForecast& f = forecast.phases[i];
    const double rows = static_cast<double>(f.rows) / static_cast<double>(f.steps);
    auto& row = table.emplace_back(std::vector<std::string>{
        fmt::format("{} {}", i + 1, phase.what()), count_of(static_cast<double>(f.learning)),
        model.layers[static_cast<std::size_t>(phase.frontier)].name, fmt::format("{}{}", phase.open_ended ? "≤ " : "", f.steps),
        fmt::format("{}", f.buckets), f.network_bytes > 0 ? bytes_of(static_cast<double>(f.network_bytes)) : "-",
        bytes_of(static_cast<double>(f.learning_bytes)), f.cache_bytes > 0 ? bytes_of(static_cast<double>(f.cache_bytes)) : "-",
        fmt::format("{:.3f}", f.flops / 1e12)});
    if (!measured) continue;
    row.push_back(bytes_of(static_cast<double>(f.peak_memory_bytes)));
    row.push_back(rows_per_second(rows / f.step_s));
    row.push_back(f.cached_step_s > 0 ? rows_per_second(rows / f.cached_step_s) : "-");
    row.push_back(fmt::format("{}{}", phase.open_ended ? "≤ " : "", time_of(f.time_s)));
    row.push_back(time_of(f.uncached_time_s));
  }
  print_table(table);
  fmt::print("\nrates (where the schedule's factor is 1) and ends\n");
  for (std::size_t i = 0; i < plan.phases.size(); ++i) {
    fmt::print("{} until {}\n", i + 1, in_words(plan.phases[i].recipe.until));
    // Neighbouring layers of one rate share a line.
    const std::vector<double> rates = rates_by_layer(model, plan.phases[i]);
    for (std::size_t top = rates.size(); top-- > 0;) {
      std::size_t low = top;
      while (low > 0 && rates[low - 1] == rates[top]) --low;
      const std::string& last = model.layers[top].name;
      const std::string span = low == top ? last : fmt::format("{} … {}", last, model.layers[low].name);
      fmt::print("    {:<40} {}\n", span, rates[top] > 0 ? fmt::format("{:.3e}", rates[top]) : "asleep");
      top = low;
    }
  }
  if (measured)
    fmt::print("\ntime       {} with the cache, {} without: measured here, {} thread{} a rank, evaluations counted\n",
               time_of(forecast.time_s), time_of(forecast.uncached_time_s), placement.threads, placement.threads == 1 ? "" : "s");
  if (forecast.fixed_order > 0)
    fmt::print("order      summing in a fixed one (reproducible) makes a step of the last phase {:.2f} x as long\n", forecast.fixed_order);
}

Json plan_json(const Job& job, const ThawPlan& plan, const Forecast& forecast, const Placement& placement) {
  Json out{{"model", job.place.name},
           {"parameters", job.model->parameter_count()},
           {"ranks", placement.ranks},
           {"threads", placement.threads},
           {"steps", plan.steps()},
           {"time_s", forecast.time_s},
           {"uncached_time_s", forecast.uncached_time_s},
           {"fixed_order", forecast.fixed_order > 0 ? Json(forecast.fixed_order) : Json()}};
  for (std::size_t i = 0; i < plan.phases.size(); ++i) {
    const PlannedPhase& phase = plan.phases[i];
    const PhaseForecast& f = forecast.phases[i];
    Json entry{{"trainable", phase.recipe.trainable},
               {"open_ended", phase.open_ended},
               {"frontier", job.model->layers[static_cast<std::size_t>(phase.frontier)].name},
               {"steps", f.steps},
               {"rows", f.rows},
               {"tokens", f.tokens},
               {"parameters", f.learning},
               {"buckets", f.buckets},
               {"network_bytes", f.network_bytes},
               {"learning_bytes", f.learning_bytes},
               {"cache_bytes", f.cache_bytes},
               {"flops", f.flops},
               {"step_s", f.step_s},
               {"cached_step_s", f.cached_step_s},
               {"evaluation_s", f.evaluation_s},
               {"peak_memory_bytes", f.peak_memory_bytes},
               {"time_s", f.time_s},
               {"uncached_time_s", f.uncached_time_s}};
    const std::vector<double> rates = rates_by_layer(*job.model, phase);
    for (std::size_t layer = 0; layer < rates.size(); ++layer)
      if (rates[layer] > 0) entry["lr"][job.model->layers[layer].name] = rates[layer];
    out["phases"].push_back(std::move(entry));
  }
  return out;
}

// Collective: the trainer goes through all phases.
std::string draw(const Job& job, Trainer& trainer) {
  std::vector<std::string> layers;
  for (const Layer& layer : job.model->layers) layers.push_back(layer.name);
  std::vector<PlotPhase> phases;
  for (std::size_t i = 0; i < trainer.plan().phases.size(); ++i) {
    const PlannedPhase& phase = trainer.plan().phases[i];
    trainer.jump_to_phase(i);
    PlotPhase& plotted = phases.emplace_back(
        PlotPhase{phase.what(), static_cast<double>(phase.steps), phase.open_ended, rates_by_layer(*job.model, phase), {}});
    const std::int64_t samples = std::min<std::int64_t>(phase.steps, std::max<std::int64_t>(4, 240 * phase.steps / trainer.plan().steps()));
    for (std::int64_t k = 0; k < samples; ++k) plotted.factors.push_back(trainer.factor((2 * k + 1) * phase.steps / (2 * samples)));
  }
  return plan_svg(fmt::format("{}, {}", job.place.directory.filename().string(), job.recipe.file.filename().string()), layers, phases);
}

int plan(Ranks& ranks, const PlanOptions& options) {
  if (options.ranks > 0)
    return plan_at_scale(ranks, {options.recipe, options.network, options.all_reduce, options.overrides, options.ranks,
                                 options.ranks_per_node, options.measure, options.json});
  Job job = resolve_job(options.recipe, options.overrides, ranks);
  Telemetry telemetry(nullptr, !ranks.first() || options.json);
  load_job(job, ranks, [&](const std::string& line) { telemetry.say(printable(line)); });
  Trainer trainer({job.recipe, ranks.comm, ranks.devices, *job.model, job.data, nullptr, telemetry, {}, ranks.placement.memory_bytes});
  const Forecast costs = forecast(trainer, job.recipe, *job.model, job.data, *ranks.comm, options.measure);
  const std::string picture = options.plot.empty() ? "" : draw(job, trainer);
  if (!ranks.first()) return 0;
  if (!picture.empty()) write_file_atomically(options.plot, picture);
  if (options.json)
    fmt::print("{}\n", plan_json(job, trainer.plan(), costs, ranks.placement).dump(-1, ' ', false, Json::error_handler_t::replace));
  else print_plan(job, trainer.plan(), costs, ranks.placement, options.measure > 0);
  return 0;
}

}  // namespace

void add_plan(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("plan", "Show what a recipe will do, phase by phase, and what it will cost");
  auto options = std::make_shared<PlanOptions>();
  command->add_option("recipe", options->recipe, "The recipe, a YAML file")->required();
  command->add_option("overrides", options->overrides, "key.sub=value: changes to the recipe");
  command->add_option("--plot", options->plot, "Draw layers against steps, coloured by rate, into this SVG file");
  command->add_option("--measure", options->measure, "Steps to take of each phase for the times; 0: none")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_option("--ranks", options->ranks, "Forecast a step on so many ranks instead, by a network model")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--ranks-per-node", options->ranks_per_node, "Of those")->check(CLI::Range(1, 4096))->capture_default_str();
  command->add_option("--network", options->network, "Between those: 1gbit … ndr400, or a file that thaw doctor --save wrote");
  command
      ->add_option("--all-reduce", options->all_reduce,
                   "auto (what MPI takes), binomial, ring, rabenseifner, recursive_doubling, two_level")
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object; bytes and seconds");
  command->footer(
      "Example:  mpirun -n 2 thaw plan recipe.yaml --plot plan.svg\n          thaw plan recipe.yaml --ranks 4096 --ranks-per-node 8 "
      "--network network.json batch.size=32768\nTimes are those of the ranks it runs on.");
  command->callback([=, &exit_code] { exit_code = run_on_ranks([&](Ranks& ranks) { return plan(ranks, *options); }); });
}

}  // namespace thaw
