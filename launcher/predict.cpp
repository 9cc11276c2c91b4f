// thaw predict: a label and its probability for every line or recording, in the order of the input.
#include "launcher/predict.h"

#include <ATen/core/grad_mode.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "framework/base/error.h"
#include "launcher/alone.h"
#include "launcher/checks.h"
#include "launcher/commands.h"

namespace thaw {
namespace {

const std::map<std::string, Silence> silences{{"voice", Silence::voice}, {"level", Silence::level}, {"never", Silence::never}};

int predict(const PredictOptions& options) {
  compute_alone(/*threads=*/0);
  const at::NoGradGuard no_grad;
  TrainedModel trained = open_trained_model(options.model);
  if (trained.data.recognises())
    throw UsageError("{}: expected a model that classifies, found one that transcribes: use thaw transcribe", options.model);
  const AnswerLines answers(trained.data.problem, trained.data.labels, options.json, options.unknown_below);
  return trained.model->hears ? predict_recordings(trained, answers, options) : predict_lines(trained, answers, options);
}

}  // namespace

void add_predict(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("predict", "Label every line of a TSV file, or every recording, in its order");
  auto options = std::make_shared<PredictOptions>();
  command->add_option("model", options->model, "A run directory, an exported model, or a hub name")->required();
  command->add_option("inputs", options->inputs,
                      "Of a model that reads: a TSV with the text in its first column or under the recipe's header; - is standard input "
                      "(the default). Of one that hears: recordings (WAV, FLAC, OGG, MP3), or folders of them");
  command->add_flag("--json", options->json, "One JSON object a line, with every label's probability where something was heard");
  command
      ->add_option("--unknown-below", options->unknown_below,
                   "Answer 'unknown' where the label is less probable; thaw eval --confidence says what that costs and brings")
      ->check(CLI::Range(0.0, 1.0))
      ->check(from_zero);
  command
      ->add_option_function<std::string>(
          "--silence", [options](const std::string& word) { options->silence = silences.at(word); },
          "Recordings answered 'silence': without a voice (voice, the default), those whose peak is below -60 dBFS alone (level), "
          "or none (never)")
      ->check(CLI::IsMember(silences))
      ->option_text("voice|level|never");
  command->footer(
      "Examples:  echo 'A moving, funny film.' | thaw predict runs/reviews-42\n"
      "           thaw predict runs/commands-42 recordings/ --unknown-below 0.9\n"
      "Prints LABEL<TAB>PROBABILITY for each line; FILE<TAB>LABEL<TAB>PROBABILITY for each recording, or FILE<TAB>silence<TAB>-.\n"
      "A recording that cannot be heard is named, and the others go on (exit code 65); a path that is not there ends it at once (66).");
  command->callback([=, &exit_code] { exit_code = predict(*options); });
}

}  // namespace thaw
