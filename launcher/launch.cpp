// thaw launch: `thaw train` on all ranks under a supervisor that watches them and starts them again.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>

#include <utility>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <exception>
#include <memory>
#include <optional>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/machine.h"
#include "framework/train/recipe.h"
#include "launcher/checks.h"
#include "launcher/commands.h"
#include "launcher/page/server.h"
#include "launcher/supervisor/supervisor.h"

namespace thaw {
namespace {

struct LaunchArguments {
  std::string recipe, hosts, hostfile, mpirun = "mpirun";
  std::vector<std::string> overrides, more, environment;
  int ranks = 0, max_restarts = 3, min_ranks = 1;
  std::string page_address = "127.0.0.1";
  std::uint16_t page_port = 0;
  bool fork = false, json = false, no_page = false;
};

// From the command line, else from Slurm, else this host with as many ranks as were asked for.
std::vector<Host> hosts_of(const LaunchArguments& arguments) {
  if (!arguments.hosts.empty()) return parse_hosts(arguments.hosts);
  if (!arguments.hostfile.empty()) return read_hostfile(arguments.hostfile);
  if (std::vector<Host> hosts = hosts_of_slurm(); !hosts.empty()) return hosts;
  return {{"localhost", arguments.ranks > 0 ? arguments.ranks : this_machine().cores_allowed}};
}

Supervisor::Options options_of(const LaunchArguments& arguments) {
  const Recipe recipe = read_recipe(arguments.recipe, arguments.overrides);  // what is wrong with it is said before anything starts
  Supervisor::Options options;
  options.hosts = hosts_of(arguments);
  options.ranks = arguments.ranks > 0 ? arguments.ranks : slots_of(options.hosts);
  if (options.ranks > slots_of(options.hosts))
    throw UsageError("-n {}: the hosts have {} slots: {}. Give them more (HOST:SLOTS), or start fewer ranks", options.ranks,
                     slots_of(options.hosts), hosts_text(options.hosts));
  options.restarts.max = arguments.max_restarts;
  options.restarts.min_ranks = arguments.min_ranks;
  options.mpirun = {arguments.mpirun, arguments.more, arguments.environment};
  options.times.stall_s = recipe.comm_timeout_s;
  options.run = recipe.output_dir;
  options.program = {fs::read_symlink("/proc/self/exe").string(), "train", arguments.recipe};
  options.program.insert(options.program.end(), arguments.overrides.begin(), arguments.overrides.end());
  if (arguments.fork) options.program.emplace_back("--fork");
  if (arguments.json) options.program.emplace_back("--json");
  return options;
}

// A rank is a connection each.
void allow_many_connections() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int launch(const LaunchArguments& arguments) {
  allow_many_connections();
  boost::asio::io_context io(1);
  const Supervisor::Options options = options_of(arguments);
  Supervisor supervisor(io, options);
  std::optional<PageServer> page;
  if (!arguments.no_page) {
    page.emplace(io, PageOptions{options.run, arguments.page_address, arguments.page_port, {}, [&] { return supervisor.live(); }});
    fmt::print(stderr, "page       {}\n", page->url());
  }

  boost::asio::signal_set signals(io, SIGINT, SIGTERM, SIGHUP);
  signals.add(SIGUSR1);
  signals.add(SIGUSR2);
  std::function<void(const boost::system::error_code&, int)> on_signal = [&](const boost::system::error_code& error, int signal) {
    if (error) return;
    supervisor.stop(signal);
    signals.async_wait(on_signal);
  };
  signals.async_wait(on_signal);

  int exit_code = 0;
  std::exception_ptr failure;
  boost::asio::co_spawn(io, supervisor.run(), [&](std::exception_ptr thrown, int code) {
    failure = std::move(thrown);
    exit_code = code;
    io.stop();
  });
  io.run();
  if (failure) std::rethrow_exception(failure);
  return exit_code;
}

}  // namespace

void add_launch(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("launch", "Train on several ranks, watched: a lost rank is named, and the run goes on without it");
  auto arguments = std::make_shared<LaunchArguments>();
  command->add_option("recipe", arguments->recipe, "The recipe, a YAML file")->required();
  command->add_option("overrides", arguments->overrides, "key.sub=value: changes to the recipe");
  command->add_option("-n,--ranks", arguments->ranks, "How many ranks (all slots of the hosts, or this machine's cores)")
      ->check(CLI::PositiveNumber);
  auto* const hosts = command->add_option("--hosts", arguments->hosts, "HOST:SLOTS,…: where they run (the Slurm job's nodes, or here)");
  command->add_option("--hostfile", arguments->hostfile, "The same as a file of Open MPI's: HOST slots=N")->excludes(hosts);
  command->add_option("--max-restarts", arguments->max_restarts, "Starts after a lost rank or host, each from the last checkpoint (3)")
      ->check(from_zero);
  command->add_option("--min-ranks", arguments->min_ranks, "With fewer left, do not go on (1)")->check(CLI::PositiveNumber);
  command->add_option("--mpirun", arguments->mpirun, "Open MPI's mpirun (from PATH)");
  command->add_option("--mpirun-option", arguments->more, "An option for mpirun, as it is; may be given several times")
      ->allow_extra_args(false);
  command
      ->add_option("-x,--environment", arguments->environment,
                   "A variable for all ranks, besides THAW_*, HF_*, CUDA_*, NCCL_*, UCX_*, OMP_*, PATH and LD_LIBRARY_PATH")
      ->allow_extra_args(false);
  command->add_option("--page-port", arguments->page_port, "The live page's port (any free one)");
  command->add_option("--page-address", arguments->page_address, "The live page's address (127.0.0.1: this machine alone)");
  command->add_flag("--no-page", arguments->no_page, "No live page");
  command->add_flag("--fork", arguments->fork, "As for `thaw train`");
  command->add_flag("--json", arguments->json, "At the end, the result as one JSON object on standard output");
  command->footer(
      "Example:  thaw launch -n 8 --hosts node1:4,node2:4 recipe.yaml\nRUN/launch/ holds what happened (events.jsonl) and what each rank "
      "printed. INT, "
      "TERM, USR1 and USR2 stop with a checkpoint (exit code 75).");
  command->callback([=, &exit_code] { exit_code = launch(*arguments); });
}

}  // namespace thaw
