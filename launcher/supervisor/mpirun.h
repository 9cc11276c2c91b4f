// Open MPI's mpirun as a child process: its command, its start in a process group of its own, and its end.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "launcher/supervisor/hosts.h"

namespace thaw {

struct MpirunOptions {
  std::string mpirun = "mpirun";
  std::vector<std::string> more;         // options of mpirun, as they are
  std::vector<std::string> environment;  // names of variables that go to every rank, besides those of Thaw, MPI, CUDA and threads
};

// The whole command for `ranks` of `program` on the hosts. Ranks fill the hosts' slots in order and are bound to no core: each
// takes its share of those it may use (launcher/ranks.h).
std::vector<std::string> mpirun_command(const MpirunOptions& options, const std::vector<Host>& hosts, int ranks,
                                        const std::vector<std::string>& program);

// One process, with its children in a group of their own. What it writes goes into a file, not into a pipe of ours: it lives on
// where we are killed.
class Child {
 public:
  // UsageError (64) where there is no such program; FileError (73) where `output` cannot be written.
  Child(boost::asio::io_context& io, const std::vector<std::string>& command, const std::filesystem::path& output,
        const std::vector<std::pair<std::string, std::string>>& environment = {});
  ~Child();  // killed where it still runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  bool running();                               // looks, and reaps
  int exit_code() const { return exit_code_; }  // of one that has ended; 128 + signal where a signal ended it
  bool killed() const { return killed_; }       // by a signal
  std::string ending() const;                   // "exit code 66", "signal 9"
  pid_t pid() const { return pid_; }
  void signal(int number);  // to the process itself
  void signal_group(int number);
  // Until it has ended or the time is over; whether it has.
  boost::asio::awaitable<bool> wait_for(double seconds);

 private:
  boost::asio::io_context& io_;
  pid_t pid_ = -1;
  bool running_ = false, killed_ = false;
  int exit_code_ = -1;
};

}  // namespace thaw
