// thaw eval: the metrics of a fine-tuned model on a labelled file, by all ranks together.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/tasks/selective.h"
#include "framework/train/evaluator.h"
#include "launcher/commands.h"
#include "launcher/ranks.h"
#include "launcher/trained_model.h"

namespace thaw {
namespace {

struct EvalOptions {
  std::string model, data, report;
  std::vector<std::string> overrides;
  bool json = false, confidence = false;
};

std::vector<Answer> answers_of(const at::Tensor& logits, const Targets& targets) {
  const auto [confidence, label] = at::softmax(logits, 1).max(1);
  const at::Tensor right = label.eq(targets.labels);
  std::vector<Answer> answers;
  for (std::int64_t row = 0; row < logits.size(0); ++row)
    answers.push_back({confidence.data_ptr<float>()[row], right.data_ptr<bool>()[row]});
  return answers;
}

Json as_json(const std::vector<SelectivePoint>& points) {
  Json json = Json::array();
  for (const SelectivePoint& point : points)
    json.push_back({{"threshold", point.threshold},
                    {"answered", point.answered},
                    {"accuracy", point.accuracy ? Json(*point.accuracy) : Json(nullptr)}});
  return json;
}

void print_table(const std::vector<SelectivePoint>& points) {
  fmt::print("  {:<22} {:>8} {:>8}\n", "confidence at least", "answered", "accuracy");
  for (const SelectivePoint& point : points)
    fmt::print("  {:<22} {:8.4f} {:>8}\n", point.threshold, point.answered, point.accuracy ? fmt::format("{:.4f}", *point.accuracy) : "-");
}

int evaluate(Ranks& ranks, const EvalOptions& options) {
  TrainedModel trained = open_trained_model(options.model, ranks.device, ranks.comm.get(), options.overrides);
  if (!options.report.empty() && !trained.data.recognises())
    throw UsageError("--report: expected a model that writes down what it hears, found another one: leave it out");
  if (!options.report.empty() && ranks.first()) make_directory(fs::path(options.report) / "eval");  // before hours of decoding
  const DataSet set = open_set("eval", options.data, trained.recipe, trained.data, {trained.directory, trained.config}, *ranks.comm,
                               [&](const std::string& line) {
                                 if (ranks.first()) fmt::print(stderr, "{}\n", printable(line));
                               });
  const bool one_label = trained.data.problem == Problem::single_label && !trained.data.recognises();
  if (options.confidence && !one_label)
    throw UsageError("--confidence: expected a model that gives one label a row, found another one: leave it out");
  std::vector<SelectivePoint> points;
  Evaluation evaluation{*trained.model, *trained.data.inputs, *ranks.comm, {}, {}, ranks.first() ? options.report : ""};
  if (one_label)
    evaluation.see = [&](const at::Tensor& logits, const Targets& targets) { points = selective_accuracy(answers_of(logits, targets)); };
  const Metrics metrics = *trained.data.objective->measure(set, evaluation);
  if (!ranks.first()) return 0;
  if (set.shards->truncated() > 0)
    fmt::print(stderr, "{} rows were longer than {} tokens and are cut there\n", set.shards->truncated(), trained.recipe.data.max_length);
  const std::uint64_t all = set.shards->rows(), rows = evaluated_rows(set, trained.recipe.evaluate.max_rows).size();
  if (options.json) {
    Json json{{"rows", rows}, {"model", trained.directory.string()}, {"data", options.data}};
    for (const auto& [name, value] : metrics) json["metrics"][name] = value;
    if (one_label) json["confidence"] = as_json(points);
    fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  fmt::print("{} rows of {}\n", rows < all ? fmt::format("{} of {}", rows, all) : fmt::format("{}", all), options.data);
  for (const auto& [name, value] : metrics) fmt::print("  {:<22} {:.4f}\n", name, value);
  if (options.confidence) print_table(points);
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
                      "A directory: speech recognition writes all that was heard wrong to eval/eval.wer.txt, each utterance aligned");
  command->add_flag(
      "--confidence", options->confidence,
      "Also what thaw predict --unknown-below would bring: rows answered, and the accuracy among them (--json has it always)");
  command->add_flag("--json", options->json, "One JSON object");
  command->footer(
      "Examples:  thaw eval runs/reviews-42 --data data/test.tsv --json\n"
      "           thaw eval openai/whisper-base --data russian.tsv data.audio.language=ru evaluate.normalizer=basic");
  command->callback([=, &exit_code] { exit_code = run_on_ranks([&](Ranks& ranks) { return evaluate(ranks, *options); }); });
}

}  // namespace thaw
