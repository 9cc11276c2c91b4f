// Slurm's sbatch, run as a program of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "launcher/slurm/script.h"

namespace thaw {

// Submits `script` and gives the job's number. The options are given once more on the command line, where they count before a
// user's SBATCH_… variables. FileError (66) where there is no sbatch; UsageError (64) where it refuses, after its own words.
std::string submit_script(const std::filesystem::path& script, const std::vector<SbatchOption>& options);

// The same `links` times, each to start once all before it have ended without success. Their numbers, in order.
std::vector<std::string> submit_chain(const std::filesystem::path& script, const std::vector<SbatchOption>& options, int links);

}  // namespace thaw
