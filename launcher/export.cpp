// thaw export: a run's best model, or one of its checkpoints, as a directory in the hub's layout.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/train/checkpoint.h"
#include "framework/train/export.h"
#include "launcher/commands.h"
#include "launcher/trained_model.h"

namespace thaw {
namespace {

struct ExportOptions {
  std::string run, destination, checkpoint;
  bool json = false;
};

int export_run(const ExportOptions& options) {
  if (fs::exists(options.destination) && !fs::is_empty(options.destination))
    throw FileError(ExitCode::cannot_write, "{}: there is something already; name a new directory", options.destination);
  const TrainedModel trained = open_trained_model(options.run);
  if (!options.checkpoint.empty()) {
    const State state = load_checkpoint(fs::path(options.run) / "checkpoints" / options.checkpoint);
    for (Parameter& parameter : trained.model->parameters) {
      const auto found = state.tensors.find("model/" + parameter.name);
      if (found == state.tensors.end()) throw ModelError("{}: the checkpoint lacks {}", options.checkpoint, parameter.name);
      parameter.set(found->second);
    }
  }
  export_model(*trained.model, trained.data, trained.recipe.data.max_length, trained.directory, options.destination);
  if (options.json) fmt::print("{}\n", Json{{"directory", options.destination}}.dump(-1, ' ', false, Json::error_handler_t::replace));
  else
    fmt::print("{}: config.json, model.safetensors and what is to be read beside them; {}\n", options.destination,
               trained.model->export_class == "WhisperForCTC"
                   ? "for thaw: transformers has no Whisper with a CTC head, and would load its encoder alone"
               : trained.data.short_rows
                   ? "loads in transformers, which hears windows of 30 s where this model learnt without their silence"
                   : "loads in transformers as it is");
  return 0;
}

}  // namespace

void add_export(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("export", "Write a run's model as a directory that transformers loads");
  auto options = std::make_shared<ExportOptions>();
  command->add_option("run", options->run, "The run directory")->required();
  command->add_option("destination", options->destination, "The directory to make")->required();
  command->add_option("--checkpoint", options->checkpoint, "Take these weights instead of the best: step-00000217");
  command->add_flag("--json", options->json, "Say what was written in JSON");
  command->footer("Example:  thaw export runs/reviews-42 my-model");
  command->callback([=, &exit_code] { exit_code = export_run(*options); });
}

}  // namespace thaw
