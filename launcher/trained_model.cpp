#include "launcher/trained_model.h"

#include <algorithm>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/models/hub.h"
#include "framework/models/pretrained.h"
#include "framework/models/registry.h"
#include "framework/thaw/shared_weights.h"
#include "framework/train/export.h"

namespace thaw {
namespace {

Problem problem_in(const JsonView& config, std::size_t labels) {
  const std::string type = config.text_or("problem_type", labels == 1 ? "regression" : "single_label_classification");
  for (const Problem problem : {Problem::single_label, Problem::multi_label, Problem::regression})
    if (type == name_of(problem)) return problem;
  config["problem_type"].fail("single_label_classification, multi_label_classification or regression");
}

std::vector<std::string> labels_in(const JsonView& config) {
  std::vector<std::string> labels;
  if (!config.has("id2label"))
    throw ModelError("{}: no id2label: this model has no classification head; fine-tune it first (thaw train)", config.where());
  const JsonView names = config["id2label"];
  for (std::size_t i = 0; i < names.size(); ++i) labels.push_back(names[std::to_string(i)].text());
  return labels;
}

// By what the model ends in; a recipe may not be known.
Task task_of(const JsonView& config) {
  const std::string type = config["model_type"].text();
  const std::string trained = class_of(config.raw());
  if (has_ctc_head(config.raw()) || trained.ends_with("ForConditionalGeneration") || (type == "whisper" && trained.empty()))
    return Task::speech_recognition;
  return build_model(config, {})->hears ? Task::audio_classification : Task::text_classification;
}

}  // namespace

std::string best_of_run(const std::string& place) {
  const fs::path best = fs::path(place) / "best";
  return fs::exists(best / "config.json") ? best.string() : place;
}

TrainedModel open_trained_model(const std::string& place, const at::Device& device, Communicator* comm,
                                const std::vector<std::string>& overrides) {
  TrainedModel trained;
  const fs::path run = place;
  if (best_of_run(place) != place) {
    trained.directory = best_of_run(place);
  } else if (fs::exists(run / "recipe.yaml")) {
    throw ModelError(ExitCode::input_missing, "{}: this run has no best/ yet: train it to its first evaluation, or export a checkpoint",
                     place);
  } else {
    trained.directory = find_model(place).directory;
  }
  const fs::path recipe = trained.directory.parent_path() / "recipe.yaml";
  if (trained.directory.filename() == "best" && fs::exists(recipe)) trained.recipe = read_recipe(recipe);

  trained.config = open_pretrained(trained.directory).config;
  const JsonView config(trained.config, (trained.directory / "config.json").string());
  const Task task = task_of(config);
  trained.recipe.speech.short_rows = config.boolean_or(short_rows_key, trained.recipe.speech.short_rows);
  if (trained.recipe.data.train.empty()) trained.recipe.data.train = {{place, 1.0}};  // which nobody reads
  if (trained.recipe.output_dir.empty()) trained.recipe.output_dir = std::string(".");
  trained.recipe.model = trained.directory.string();
  trained.recipe.evaluate.max_rows = 0;                        // a bound on what training spends; here all rows are asked for
  if (comm == nullptr) trained.recipe.evaluate.words.clear();  // which may be gone
  if (!overrides.empty()) {
    trained.recipe.task = task;
    trained.recipe = parse_recipe("command line", to_yaml(trained.recipe), overrides);
  }
  trained.recipe.task = task;
  std::vector<std::string> labels;
  if (trained.recipe.task != Task::speech_recognition) {
    labels = labels_in(config);
    const Problem problem = problem_in(config, labels.size());
    trained.recipe.data.multi_label = problem == Problem::multi_label;
    if (problem == Problem::regression) {
      trained.recipe.task = Task::text_regression;
      labels.clear();
    }
  }
  trained.data = data_of_model(trained.recipe, {trained.directory, trained.config}, labels);
  LoadReport report;
  HeadSpec head = trained.data.objective->head();
  head.short_rows = trained.recipe.speech.short_rows;
  trained.model = load_model(trained.directory, head, 0, &report);
  // Published CTC models often lack the vector that masks training alone.
  std::erase_if(report.initialised, [&](const std::string& name) { return trained.model->find(name)->group != trained.model->head(); });
  if (!report.initialised.empty())
    throw ModelError("{}: the weights lack {}: this is a pretrained model without a trained head; fine-tune it first (thaw train)",
                     trained.directory.string(), fmt::join(report.initialised, ", "));
  trained.model->to(device);
  const at::ScalarType type = trained.recipe.precision == Precision::bf16 ? at::kBFloat16 : at::kFloat;
  if (comm == nullptr) trained.model->set_precision(type);
  else set_precision_together(*trained.model, type, *comm);
  if (!trained.model->hears) trained.recipe.data.max_length = std::min(trained.recipe.data.max_length, trained.model->max_positions);
  return trained;
}

}  // namespace thaw
