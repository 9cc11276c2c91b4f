// Runs a command on all ranks, watches them, and starts it again where they end before it does. Open `Supervisor::run`: an
// attempt after another, each `attempt`, `end_job`, `decide`.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framework/base/clock.h"
#include "framework/base/json.h"
#include "launcher/supervisor/control_plane.h"
#include "launcher/supervisor/decision.h"
#include "launcher/supervisor/events.h"
#include "launcher/supervisor/judge.h"
#include "launcher/supervisor/mpirun.h"
#include "launcher/supervisor/output.h"
#include "launcher/supervisor/world.h"

namespace thaw {

class Supervisor {
 public:
  struct Options {
    std::vector<Host> hosts;
    int ranks = 1;
    Restarts restarts;
    MpirunOptions mpirun;
    JudgeTimes times;
    std::vector<std::string> program;  // the ranks' command
    std::filesystem::path run;         // its run directory
  };
  Supervisor(boost::asio::io_context& io, Options options);

  boost::asio::awaitable<int> run();  // until the last attempt has ended: the exit code
  void stop(int signal);              // ranks save a checkpoint and end; a second call ends them at once
  Json live() const;                  // for the page: attempt, restarts, ranks, log

 private:
  boost::asio::awaitable<AttemptEnd> attempt();
  boost::asio::awaitable<std::optional<Finding>> watch(Child& child);  // until it has ended, or has to be
  boost::asio::awaitable<void> end_job(Child& child);
  std::pair<std::string, int> first_failure(const std::optional<Finding>& fatal, const Child& child) const;  // and whose
  AttemptEnd outcome(Child& child, const std::optional<Finding>& fatal);
  boost::asio::awaitable<bool> answers(const Host& host);
  boost::asio::awaitable<std::vector<Host>> roll_call(const std::optional<Finding>& fatal);
  void tell(const std::vector<Finding>& findings);
  void tell_failure(const std::string& cause, int rank);
  double now_s() const { return seconds_since(start_); }
  std::filesystem::path attempt_folder() const;
  bool on_other_hosts() const;

  boost::asio::io_context& io_;
  Options options_;
  std::filesystem::path folder_;  // RUN/launch
  std::string id_, token_;
  Clock::time_point start_ = Clock::now();
  Events events_;
  int number_ = 0;  // of the attempt
  std::unique_ptr<World> world_;
  std::unique_ptr<Output> output_;
  std::unique_ptr<ControlPlane> plane_;
  std::map<std::pair<Finding::Kind, int>, double> told_s_;  // when it was last found
  Orders orders_;
  bool end_now_ = false;
};

}  // namespace thaw
