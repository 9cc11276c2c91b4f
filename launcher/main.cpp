// thaw: one program for laptop, login node and cluster. Each command lives in a file of its own.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>

#include "framework/base/error.h"
#include "framework/comm/device.h"
#include "launcher/commands.h"

int main(int argc, char** argv) {
  try {
    thaw::load_cuda();  // before ATen is first asked for CUDA: it would stay without
  } catch (const thaw::Error& error) {
    fmt::print(stderr, "thaw: {}\n", error.what());
    return static_cast<int>(error.code());
  }
  CLI::App app{"Thaw fine-tunes pretrained language and speech models on clusters.\n"};
  app.name("thaw");
  app.set_version_flag("--version", THAW_VERSION);
  app.require_subcommand(1);
  app.footer("A first run:  mpirun -n 2 thaw train recipe.yaml\nEach command explains itself:  thaw COMMAND --help");
  int exit_code = 0;
  thaw::add_shard(app, exit_code);
  thaw::add_train(app, exit_code);
  thaw::add_eval(app, exit_code);
  thaw::add_predict(app, exit_code);
  thaw::add_export(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // CLI11 shows help and version as "errors" of code 0.
    return app.exit(error) == 0 ? 0 : static_cast<int>(thaw::ExitCode::usage);
  } catch (const thaw::Error& error) {
    fmt::print(stderr, "thaw: {}\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    fmt::print(stderr, "thaw: this is a bug, please report it: {}\n", error.what());
    return static_cast<int>(thaw::ExitCode::bug);
  }
  return exit_code;
}
