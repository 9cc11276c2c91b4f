// thaw lr-find: the learning-rate range test of fastai's lr_find, on a recipe's own batches and what learns in its first phase.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "framework/base/file.h"
#include "framework/thaw/lr_range.h"
#include "framework/train/trainer.h"
#include "launcher/commands.h"
#include "launcher/job.h"
#include "launcher/lr_find_plot.h"
#include "launcher/ranks.h"

namespace thaw {
namespace {

struct LrFindOptions {
  std::string recipe, plot;
  std::vector<std::string> overrides;
  double start = 1e-7, end = 10;
  int steps = 100;
  bool json = false;
};

void print_table(const LrRangeTest& test, const std::string& what, const LrFindOptions& options) {
  const std::size_t best = static_cast<std::size_t>(std::min_element(test.loss().begin(), test.loss().end()) - test.loss().begin());
  fmt::print("learning: {}; {} of {} steps, rates {:.1e} to {:.1e}{}\n\n", what, test.lr().size(), options.steps, test.lr().front(),
             test.lr().back(), test.diverged() ? ", where the loss diverged" : "");
  fmt::print("{:<12}  {:>8}  {:>14}\n", "suggestion", "rate", "smoothed loss");
  const std::vector<LrRangeTest::Suggestion> suggestions = test.suggestions();
  for (const auto& [name, lr, loss] : suggestions) fmt::print("{:<12}  {:>8.1e}  {:>14.4f}\n", name, lr, loss);
  fmt::print("{:<12}  {:>8.1e}  {:>14.4f}\n", "lowest loss", test.lr()[best], test.loss()[best]);
  if (suggestions.empty()) fmt::print("\nIt diverged too early for a suggestion: begin lower, with --start {:.0e}\n", options.start / 100);
  else
    fmt::print("\nTo take one:  optimizer.lr={:.1e}  (the first phase's highest rate; its own `lr` where it has one)\n", suggestions[0].lr);
}

Json as_json(const LrRangeTest& test, const PlannedPhase& phase, const Placement& placement) {
  Json out{{"trainable", phase.recipe.trainable}, {"lr", test.lr()},          {"loss", test.loss()},
           {"diverged", test.diverged()},         {"ranks", placement.ranks}, {"suggestions", Json::object()}};
  for (const auto& [name, lr, loss] : test.suggestions()) out["suggestions"][name] = {{"lr", lr}, {"loss", loss}};
  return out;
}

int lr_find(Ranks& ranks, const LrFindOptions& options) {
  if (options.end <= options.start)
    throw UsageError("thaw lr-find: expected --end above --start ({}), found {}", options.start, options.end);
  Job job = resolve_job(options.recipe, options.overrides, ranks);
  Telemetry telemetry(nullptr, !ranks.first() || options.json);
  load_job(job, ranks, [&](const std::string& line) { telemetry.say(printable(line)); });
  Trainer trainer({job.recipe, ranks.comm, ranks.devices, *job.model, job.data, nullptr, telemetry, {}, ranks.placement.memory_bytes});
  LrRangeTest test(options.start, options.end, options.steps);
  while (test.goes_on()) {
    test.add(trainer.probe(test.next_lr()));
    telemetry.progress("range test", static_cast<std::int64_t>(test.lr().size()), options.steps);
  }
  telemetry.end_bar();
  if (test.lr().size() < 2)
    throw DataError("{}: the loss is not finite at the lowest rates already ({:.0e}): look at the rows of the first steps", options.recipe,
                    options.start);
  if (!ranks.first()) return 0;
  const PlannedPhase& phase = trainer.plan().phases.front();
  if (!options.plot.empty())
    write_file_atomically(options.plot, lr_find_svg(fmt::format("{}, {}: learning {}", job.place.directory.filename().string(),
                                                                job.recipe.file.filename().string(), phase.what()),
                                                    test));
  if (options.json) fmt::print("{}\n", as_json(test, phase, ranks.placement).dump(-1, ' ', false, Json::error_handler_t::replace));
  else print_table(test, phase.what(), options);
  return 0;
}

}  // namespace

void add_lr_find(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("lr-find", "Try rising learning rates on a recipe's first steps, and suggest one");
  auto options = std::make_shared<LrFindOptions>();
  command->add_option("recipe", options->recipe, "The recipe, a YAML file")->required();
  command->add_option("overrides", options->overrides, "key.sub=value: changes to the recipe");
  command->add_option("--start", options->start, "The first step's rate")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--end", options->end, "The rate after the last step")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--steps", options->steps, "Steps at the most")->check(CLI::Range(20, 100000))->capture_default_str();
  command->add_option("--plot", options->plot, "Draw loss against rate into this SVG file");
  command->add_flag("--json", options->json, "One JSON object: rates, smoothed losses, suggestions");
  command->footer(
      "Example:  mpirun -n 2 thaw lr-find recipe.yaml --plot lr.svg\n"
      "What learns is the first phase's; layers keep their rates' proportions. No run directory is touched.");
  command->callback([=, &exit_code] { exit_code = run_on_ranks([&](Ranks& ranks) { return lr_find(ranks, *options); }); });
}

}  // namespace thaw
