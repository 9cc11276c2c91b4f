// thaw submit: a recipe, or a sweep over it, as a batch job of Slurm's.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/json.h"
#include "framework/base/text.h"
#include "launcher/commands.h"
#include "launcher/slurm/job.h"
#include "launcher/slurm/quoting.h"
#include "launcher/slurm/sbatch.h"

namespace thaw {
namespace {

// The command line as it was given, on one line; without --dry-run, so that what is printed is what would be submitted.
std::string command_line() {
  std::string line = "thaw";
  const std::vector<std::string> words = split(read_file("/proc/self/cmdline"), '\0');
  for (std::size_t i = 1; i + 1 < words.size(); ++i)
    if (words[i] != "--dry-run") line += " " + shell_quoted(words[i]);
  return line;
}

Json described(const PreparedJob& job) {
  Json runs = Json::array();
  for (const SweptRun& run : job.script.sweep) runs.push_back(run.output_dir);
  if (runs.empty()) runs.push_back(job.script.run);
  return {{"script", job.script_file().string()}, {"folder", job.folder.string()}, {"runs", runs}};
}

void print_json(const Json& value) { fmt::print("{}\n", value.dump(-1, ' ', false, Json::error_handler_t::replace)); }

void submit(const SubmitOptions& options) {
  const PreparedJob job = prepare_job(options, fs::read_symlink("/proc/self/exe").string(), command_line());
  const std::string text = write_script(job.script);
  Json report = described(job);
  if (options.dry_run) {
    report["text"] = text;
    if (options.json) print_json(report);
    else fmt::print("{}", text);
    return;
  }
  make_directory(job.folder);
  write_file_atomically(job.script.recipe, job.recipe_text);
  write_file_atomically(job.script_file(), text);
  const std::vector<SbatchOption> asked = sbatch_options(job.script);
  const std::vector<std::string> jobs = submit_chain(job.script_file(), asked, job.script.requeue ? 1 : 1 + job.script.max_requeues);
  if (!job.script.requeue) write_file_atomically(job.script.chain_file, fmt::format("{}\n", fmt::join(jobs, "\n")));
  report["job"] = jobs.front();
  report["jobs"] = jobs;
  if (options.json) return print_json(report);
  const std::size_t runs = job.script.sweep.size();
  fmt::print("job {} is in the queue{}\nscript     {}\noutput     {}\n", fmt::join(jobs, ", "),
             runs > 0 ? fmt::format(": an array of {} run{}", runs, runs == 1 ? "" : "s") : "", job.script_file().string(),
             options.value_of("--output").value_or(job.folder.string()));
}

}  // namespace

void add_submit(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("submit", "Train a recipe, or a sweep over it, as a batch job of Slurm's");
  auto options = std::make_shared<SubmitOptions>();
  const auto read = add_submit_options(*command, options);
  command->footer(
      "Example:  thaw submit recipe.yaml optimizer.lr=3e-5 --nodes 4 --gpus-per-node 8 --time 4:00:00 --partition gpu\n"
      "          thaw submit recipe.yaml --sweep lr=1e-5,2e-5 seed=1..5 --nodes 1 --ntasks-per-node 8 --time 1:00:00\n"
      "Every other option of sbatch is passed on (--mail-type END, --exclusive). Ahead of the time limit, and when it is preempted,\n"
      "the run saves a checkpoint and goes back into the queue.");
  command->callback([=, &exit_code] {
    read();
    submit(*options);
    exit_code = 0;
  });
}

}  // namespace thaw
