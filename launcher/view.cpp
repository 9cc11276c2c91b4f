// thaw view: the live page over a run directory, of a run that is under way or long over. Needs no ranks and no supervisor.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <memory>

#include "launcher/commands.h"
#include "launcher/page/run_view.h"
#include "launcher/page/server.h"

namespace thaw {
namespace {

struct ViewOptions {
  std::string run, address = "127.0.0.1";
  std::uint16_t port = 0;
  bool json = false;
};

void serve(const ViewOptions& options) {
  boost::asio::io_context context(1);
  PageServer server(context, {options.run, options.address, options.port});
  boost::asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code&, int) { server.close(); });
  fmt::print(stderr, "{}\n", server.url());
  if (options.address == "127.0.0.1")
    fmt::print(stderr, "From another machine:  ssh -L {0}:localhost:{0} THIS-MACHINE, then the same address there. Ctrl-C ends.\n",
               server.port());
  context.run();
}

}  // namespace

void add_view(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("view", "Show a run in a browser: curves, phases, evaluations, as they come");
  auto options = std::make_shared<ViewOptions>();
  command->add_option("run", options->run, "The run's directory (its recipe's output_dir)")->required();
  command->add_option("--port", options->port, "The port to listen on (any free one)");
  command->add_option("--address", options->address, "The address to listen on (127.0.0.1: this machine alone)");
  command->add_flag("--json", options->json, "What the page shows, once, as JSON on standard output");
  command->footer(
      "Example:  thaw view runs/reviews-42\nThe address it prints holds a token: whoever has it can look. /metrics is for Prometheus "
      "(Authorization: Bearer TOKEN).");
  command->callback([=, &exit_code] {
    require_run(options->run);
    if (options->json) fmt::print("{}\n", run_view(options->run).dump(-1, ' ', false, Json::error_handler_t::replace));
    else serve(*options);
    exit_code = 0;
  });
}

}  // namespace thaw
