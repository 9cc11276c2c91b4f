// For tests that run the program itself: a tiny model and data made on the spot, and commands with their output.
#pragma once

#include <signal.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "framework/base/json.h"

namespace thaw::test {

struct Ran {
  int exit_code = -1;
  std::string output;  // standard output and error together
  double seconds = 0;
};

// Runs `thaw ARGUMENTS` on so many ranks (1: without a launcher), under a watchdog of 60 s (exit code 124).
Ran thaw(const std::string& arguments, int ranks = 1);
// On two nodes of one rank each, as Open MPI sees them: the daemons of both run here, and messages go by TCP.
// (`rtc ^hwloc`: two daemons of one machine would write one file of its topology at the same time.)
Ran thaw_on_two_nodes(const std::string& arguments);
Ran shell(const std::string& command);

// The command that `thaw` runs.
std::string thaw_command(const std::string& arguments, int ranks = 1);

// A line of bash for before a command: its first start stays at its twentieth logged line until it is struck, and makes RUN/held there
// (see tests/support/held_run.c).
extern const std::string hold_runs;

// A command that runs in a session of its own meanwhile; its output is lost.
class Background {
 public:
  explicit Background(const std::string& command);
  Background(const Background&) = delete;
  ~Background() { kill(SIGKILL); }
  void kill(int signal);  // to every process of the session; after SIGKILL they are gone

 private:
  pid_t session_;
};

// Waits until `holds`, for half a minute at most; whether it did.
bool wait_until(const std::function<bool()>& holds);

// A folder of its own with model/ (a small random BERT, vocab.txt), train.tsv, dev.tsv and recipe.yaml; removed at the end.
class Workshop {
 public:
  explicit Workshop(int blocks = 2);
  ~Workshop();
  std::string path(const std::string& name = "") const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& content) const;
  // "train RECIPE output_dir=FOLDER/NAME OVERRIDES"
  std::string train(const std::string& run, const std::string& overrides = "") const;
  std::vector<Json> log(const std::string& run) const;     // steps alone, without evaluations
  std::string file(const std::string& name) const;         // its bytes
  static std::string rows(std::uint64_t seed, int count);  // text and label, below a header

 private:
  std::filesystem::path folder_;
};

}  // namespace thaw::test
