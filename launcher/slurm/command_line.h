// What `thaw submit` is asked for. Options of sbatch need not be known here to be passed on; those that take a value are, so
// that `--mem 64G` is read as one thing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/slurm/script.h"

namespace CLI {
class App;
}

namespace thaw {

struct SubmitOptions {
  std::string recipe;
  std::vector<std::string> overrides, sweep;
  std::vector<SbatchOption> sbatch;
  std::string setup_file, container, launcher = "mpirun";
  std::optional<std::int64_t> signal_ahead;
  std::optional<int> max_requeues;
  int at_once = 0;
  bool no_requeue = false, dry_run = false, json = false;

  // By its long name, as given last; nothing where it was not.
  std::optional<std::string> value_of(const std::string& name) const;
};

// Adds the options; the function fills `options.sbatch`, and throws UsageError (64) for what would work against the script.
// Call it once the command line is parsed.
std::function<void()> add_submit_options(CLI::App& command, const std::shared_ptr<SubmitOptions>& options);

}  // namespace thaw
