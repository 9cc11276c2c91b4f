#include "launcher/slurm/sbatch.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>

#include "framework/base/error.h"
#include "framework/base/text.h"
#include "launcher/slurm/quoting.h"

namespace thaw {

std::string submit_script(const std::filesystem::path& script, const std::vector<SbatchOption>& options) {
  std::string command = "sbatch --parsable";
  for (const SbatchOption& option : options) {
    const char* const between = option.value.empty() ? "" : "=";
    // A short option's value follows at once.
    command += " " + shell_quoted(option.name + (option.name.starts_with("--") ? between : "") + option.value);
  }
  command += " " + shell_quoted(std::filesystem::absolute(script).string());
  std::fflush(nullptr);
  FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw FileError("sbatch: cannot be started");
  std::string output;
  char buffer[256];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, got);
  const int status = ::pclose(pipe);
  constexpr int not_found = 127;
  if (WIFEXITED(status) && WEXITSTATUS(status) == not_found)
    throw FileError(
        ExitCode::input_missing,
        "sbatch was not found: this is no login node of a Slurm cluster, or its module is not loaded. --dry-run prints the script");
  if (status != 0) throw UsageError("sbatch refused {}: its words are above", script.string());
  return std::string(trim(output.substr(0, output.find(';'))));  // "123;cluster"
}

std::vector<std::string> submit_chain(const std::filesystem::path& script, const std::vector<SbatchOption>& options, int links) {
  std::vector<std::string> jobs;
  for (int link = 0; link < links; ++link) {
    std::vector<SbatchOption> all = options;
    if (!jobs.empty()) {
      // All before it: a job that was cancelled because an earlier one succeeded has not ended with success either.
      const auto mine = std::find_if(all.begin(), all.end(), [](const SbatchOption& option) { return option.name == "--dependency"; });
      if (mine != all.end()) all.erase(mine);
      all.push_back({"--dependency", fmt::format("afternotok:{}", fmt::join(jobs, ":"))});
      all.push_back({"--kill-on-invalid-dep", "yes"});
    }
    jobs.push_back(submit_script(script, all));
  }
  return jobs;
}

}  // namespace thaw
