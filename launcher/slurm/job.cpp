#include "launcher/slurm/job.h"

#include <algorithm>
#include <charconv>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/models/hub.h"
#include "launcher/slurm/quoting.h"
#include "launcher/slurm/time_limit.h"

namespace thaw {
namespace {

constexpr std::int64_t usual_signal_ahead_s = 120;

// Slurm may give the signal up to a minute early, and a run needs time to do something before it.
std::int64_t signal_ahead_of(const SubmitOptions& options) {
  const std::optional<std::int64_t> limit = time_limit_s(options.value_of("--time").value_or(""));
  if (options.signal_ahead && limit && *options.signal_ahead >= *limit)
    throw UsageError("--signal-ahead {}: expected less than the time limit, {} s", *options.signal_ahead, *limit);
  const std::int64_t usual =
      limit && *limit > 0 ? std::min(usual_signal_ahead_s, std::max<std::int64_t>(*limit / 4, 1)) : usual_signal_ahead_s;
  return options.signal_ahead.value_or(usual);
}

// One rank a GPU: "8", "a100:8".
std::optional<std::string> ranks_by_gpus(const SubmitOptions& options) {
  for (const char* name : {"--ntasks", "--ntasks-per-node", "--ntasks-per-gpu", "--gpus-per-task"})
    if (options.value_of(name)) return std::nullopt;
  const std::string gpus = options.value_of("--gpus-per-node").value_or("");
  const std::string number = gpus.substr(gpus.rfind(':') + 1);
  if (number.empty() || !std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  return number;
}

// A file that is free, or holds this text already: recipe.yaml, recipe-2.yaml, …
fs::path free_file(const fs::path& folder, const std::string& stem, const std::string& suffix, const std::string& text) {
  for (int number = 1;; ++number) {
    const fs::path path = folder / fmt::format("{}{}{}", stem, number == 1 ? "" : fmt::format("-{}", number), suffix);
    if (!fs::exists(path) || (!text.empty() && read_file(path) == text)) return path;
  }
}

// What the job would miss on its nodes; in a container other paths count.
void check_inputs(const Recipe& recipe) {
  find_model(recipe.model);
  const auto check = [](const char* key, const std::string& path) {
    if (!fs::exists(path)) throw FileError(ExitCode::input_missing, "{}: {}: no such file or directory", key, path);
  };
  for (const DataSource& source : recipe.data.train) check("data.train", source.path);
  for (const auto& [name, path] : recipe.data.eval) check("data.eval", path);
}

fs::path without_slash(const std::string& path) { return fs::path(path).has_filename() ? fs::path(path) : fs::path(path).parent_path(); }

}  // namespace

PreparedJob prepare_job(const SubmitOptions& options, const std::string& thaw, const std::string& asked) {
  PreparedJob job;
  const Recipe recipe = read_recipe(options.recipe, options.overrides);
  job.recipe_text = read_file(options.recipe);
  JobScript& script = job.script;
  if (!options.sweep.empty()) {
    std::vector<SweepAxis> axes;
    for (const std::string& axis : options.sweep) axes.push_back(parse_axis(axis));
    script.sweep = plan_sweep(options.recipe, options.overrides, axes);
  } else if (options.at_once > 0) {
    throw UsageError("--at-once: of a sweep's runs; there is no --sweep");
  }
  if (options.container.empty()) check_inputs(recipe);

  const fs::path run = without_slash(recipe.output_dir);
  job.folder = script.sweep.empty() ? run / "slurm" : fs::path(run.string() + "-sweep");
  script.asked = asked;
  if (options.launcher == "thaw" && !options.container.empty())
    throw UsageError("--launcher thaw: it runs outside of a container, where mpirun is; with --container use mpirun or srun");
  script.launcher = options.launcher == "thaw"   ? JobScript::Launcher::thaw
                    : options.launcher == "srun" ? JobScript::Launcher::srun
                                                 : JobScript::Launcher::mpirun;
  script.setup_file = options.setup_file;
  if (!options.setup_file.empty()) script.setup = read_file(options.setup_file);
  script.container = options.container;
  script.thaw = options.container.empty() ? thaw : "thaw";
  script.recipe = free_file(job.folder, "recipe", ".yaml", job.recipe_text).string();
  script.overrides = options.overrides;
  script.run = run.string();
  script.at_once = options.at_once;
  script.signal_ahead = signal_ahead_of(options);
  script.max_requeues = options.max_requeues.value_or(options.no_requeue ? 4 : 20);  // each of a chain's jobs stands in the queue
  script.requeue = !options.no_requeue;
  if (options.no_requeue) script.chain_file = free_file(job.folder, "chain", ".txt", "").string();

  const auto otherwise = [&](const char* name, const std::string& value) {
    if (!options.value_of(name)) script.options.push_back({name, value});
  };
  otherwise("--job-name", script.sweep.empty() ? run.filename().string() : job.folder.filename().string());
  otherwise("--output", sbatch_directory(job.folder.string()) + (script.sweep.empty() ? "/%j.out" : "/%A_%a.out"));
  script.options.push_back({"--chdir", fs::current_path().string()});
  for (const SbatchOption& option : options.sbatch) script.options.push_back(option);
  if (const auto ranks = ranks_by_gpus(options)) script.options.push_back({"--ntasks-per-node", *ranks});
  return job;
}

}  // namespace thaw
