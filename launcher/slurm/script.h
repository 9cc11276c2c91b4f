// The batch script of a job that trains one recipe, or of an array that trains a sweep's runs.
// It asks to be told ahead of its time limit, hands signals on so that every rank saves a checkpoint, and where the run
// stopped with one (exit code 75) puts itself back into the queue.
#pragma once

#include <string>
#include <vector>

#include "launcher/slurm/sweep.h"

namespace thaw {

// "--partition" and "gpu"; a flag has no value.
struct SbatchOption {
  std::string name, value;
};

struct JobScript {
  enum class Launcher { mpirun, srun, thaw } launcher = Launcher::mpirun;
  std::string asked;                  // the command that asked for it, on one line
  std::vector<SbatchOption> options;  // without those that this script itself is about
  std::string setup_file, setup;      // the file's name and its text
  std::string container;              // an Apptainer image; empty: none
  std::string thaw;                   // the program
  std::string recipe;                 // its file
  std::vector<std::string> overrides;
  std::string run;                // the run's directory
  std::vector<SweptRun> sweep;    // instead of `run`
  int at_once = 0;                // of a sweep's runs; 0: as many as there is room for
  std::int64_t signal_ahead = 0;  // seconds before the time limit
  int max_requeues = 0;
  bool requeue = true;     // else a chain of jobs, each after the one before did not end well
  std::string chain_file;  // where the numbers of the chain's jobs are
};

// What sbatch is asked for: the options, and what the script needs of Slurm.
std::vector<SbatchOption> sbatch_options(const JobScript& job);
std::string write_script(const JobScript& job);

}  // namespace thaw
