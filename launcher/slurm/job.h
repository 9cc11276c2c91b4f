// From what was asked for to a checked script: recipe, sweep, model and data are looked at here, before anything waits in a queue.
#pragma once

#include <filesystem>
#include <string>

#include "launcher/slurm/command_line.h"
#include "launcher/slurm/script.h"

namespace thaw {

// `folder` is the run's own (RUN/slurm), or beside the runs of a sweep (RUN-sweep). It holds the script, what the jobs print,
// and a copy of the recipe, so that a job trains what was submitted although the file is edited while it waits.
struct PreparedJob {
  JobScript script;
  std::filesystem::path folder;
  std::string recipe_text;
  std::filesystem::path script_file() const { return folder / "job.sbatch"; }
};

// Nothing is written. RecipeError (65), FileError (66) where recipe, set-up file, model or data are not there, UsageError (64).
// `thaw`: this program's path; `asked`: the command line.
PreparedJob prepare_job(const SubmitOptions& options, const std::string& thaw, const std::string& asked);

}  // namespace thaw
