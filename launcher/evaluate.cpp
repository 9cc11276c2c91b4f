// thaw eval: the metrics of a fine-tuned model on a labelled file, by all ranks together.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "framework/base/error.h"
#include "framework/train/evaluator.h"
#include "launcher/commands.h"
#include "launcher/ranks.h"
#include "launcher/trained_model.h"

namespace thaw {
namespace {

struct EvalOptions {
  std::string model, data, report;
  std::vector<std::string> overrides;
  bool json = false;
};

int evaluate(Ranks& ranks, const EvalOptions& options) {
  TrainedModel trained = open_trained_model(options.model, ranks.device, ranks.comm.get(), options.overrides);
  const DataSet set = open_set("eval", options.data, trained.recipe, trained.data, {trained.directory, trained.config}, *ranks.comm,
                               [](const std::string& line) { fmt::print(stderr, "{}\n", printable(line)); });
  const Metrics metrics = *trained.data.objective->measure(
      set, {*trained.model, *trained.data.inputs, *ranks.comm, {}, {}, ranks.first() ? options.report : ""});
  if (!ranks.first()) return 0;
  if (set.shards->truncated() > 0)
    fmt::print(stderr, "{} rows were longer than {} tokens and are cut there\n", set.shards->truncated(), trained.recipe.data.max_length);
  if (options.json) {
    Json json{{"rows", set.shards->rows()}, {"model", trained.directory.string()}, {"data", options.data}};
    for (const auto& [name, value] : metrics) json["metrics"][name] = value;
    fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  fmt::print("{} rows of {}\n", set.shards->rows(), options.data);
  for (const auto& [name, value] : metrics) fmt::print("  {:<22} {:.4f}\n", name, value);
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("eval", "Measure a fine-tuned model on a labelled file");
  auto options = std::make_shared<EvalOptions>();
  command->add_option("model", options->model, "A run directory, an exported model, or a hub name")->required();
  command
      ->add_option("--data", options->data,
                   "TSV, CSV or JSONL with the columns of the run's recipe, a corpus of speech, or a shard directory")
      ->required();
  command->add_option("overrides", options->overrides, "key.sub=value of the recipe, as evaluate.normalizer=english");
  command->add_option("--report", options->report,
                      "A directory: speech recognition writes every utterance with its errors to eval/eval.wer.txt");
  command->add_flag("--json", options->json, "One JSON object");
  command->footer(
      "Examples:  thaw eval runs/reviews-42 --data data/test.tsv --json\n"
      "           thaw eval openai/whisper-base --data russian.tsv data.audio.language=ru evaluate.normalizer=basic");
  command->callback([=, &exit_code] { exit_code = run_on_ranks([&](Ranks& ranks) { return evaluate(ranks, *options); }); });
}

}  // namespace thaw
