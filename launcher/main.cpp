// thaw: one program for laptop, login node and cluster. Each command lives in a file of its own.
#include <fmt/format.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <exception>

#include "framework/base/bus_error.h"
#include "framework/base/error.h"
#include "framework/comm/device.h"
#include "launcher/commands.h"

namespace {

int ended_by(const std::exception& exception) {
  const thaw::Error error = thaw::as_error(exception);
  fmt::print(stderr, "thaw: {}\n", error.what());
  return static_cast<int>(error.code());
}

// A step's tensors are soon needed again: what is freed stays with the process. That the system zeroes pages anew took a sixth of
// a step of Whisper in bf16.
void keep_freed_memory() {
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
}

}  // namespace

int main(int argc, char** argv) {
  int exit_code = 0;
  try {
    keep_freed_memory();
    thaw::load_cuda();  // before ATen is first asked for CUDA: it would stay without
    thaw::explain_bus_errors();
    CLI::App app{"Thaw fine-tunes pretrained language and speech models on clusters.\n"};
    app.name("thaw");
    app.set_version_flag("--version", THAW_VERSION);
    app.require_subcommand(1);
    app.footer("A first run:  mpirun -n 2 thaw train recipe.yaml\nEach command explains itself:  thaw COMMAND --help");
    thaw::add_shard(app, exit_code);
    thaw::add_plan(app, exit_code);
    thaw::add_train(app, exit_code);
    thaw::add_launch(app, exit_code);
    thaw::add_eval(app, exit_code);
    thaw::add_predict(app, exit_code);
    thaw::add_transcribe(app, exit_code);
    thaw::add_pronounce(app, exit_code);
    thaw::add_export(app, exit_code);
    thaw::add_lr_find(app, exit_code);
    thaw::add_recipes(app, exit_code);
    thaw::add_view(app, exit_code);
    thaw::add_submit(app, exit_code);
    thaw::add_compare(app, exit_code);
    thaw::add_doctor(app, exit_code);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      // CLI11 shows help and version as "errors" of code 0.
      return app.exit(error) == 0 ? 0 : static_cast<int>(thaw::ExitCode::usage);
    }
  } catch (const std::exception& exception) {
    return ended_by(exception);
  }
  return exit_code;
}
