#include "framework/train/data.h"

#include <algorithm>
#include <set>

#include "datasets/shards/cache.h"
#include "datasets/shards/split.h"
#include "framework/base/error.h"
#include "framework/tasks/text/text_normalizer.h"
#include "framework/train/encoder.h"
#include "framework/train/inputs/text_inputs.h"
#include "framework/train/missing_files.h"
#include "framework/train/objectives/classification.h"
#include "framework/train/speech.h"

namespace thaw {
namespace {

LabelKind kind_of(Problem problem) {
  return problem == Problem::regression ? LabelKind::number : problem == Problem::multi_label ? LabelKind::several : LabelKind::one;
}

ShardOptions shard_options(const Recipe& recipe, const std::vector<std::string>& labels, std::int64_t max_length) {
  ShardOptions options;
  options.read.format = recipe.data.format;
  options.read.header = recipe.data.header;
  options.read.delimiter = recipe.data.delimiter;
  options.read.label_names = labels;
  options.read.text = recipe.data.text;
  options.read.pair = recipe.data.text_pair;
  options.read.label = recipe.data.label;
  options.read.id = recipe.data.id;
  options.read.weight = recipe.data.row_weight;
  options.read.group = recipe.data.group;
  options.read.separator = recipe.data.separator;
  options.read.label_kind = kind_of(problem_of(recipe));
  options.max_length = max_length;
  return options;
}

// `labels`: those there may be; empty: any.
std::shared_ptr<ShardSet> open_shards(const std::string& path, const Recipe& recipe, const DataModel& model,
                                      const std::vector<std::string>& labels, const Tokenizer* tokenizer, Communicator& comm,
                                      const Say& say) {
  const ShardRanks ranks{comm.rank(), comm.size(), [&](const std::string& mine) { return comm.all_gather_text(mine); }, say};
  const fs::path cache_dir = recipe.data.cache_dir.empty() ? usual_cache_dir() : fs::path(recipe.data.cache_dir);
  std::shared_ptr<ShardSet> shards;
  if (hears(recipe.task)) {
    shards = open_speech(path, recipe, model, labels, tokenizer, ranks, cache_dir);
  } else {
    const TokenizerEncoder encoder(*tokenizer, recipe.data.max_length);
    shards =
        std::make_shared<ShardSet>(ensure_sharded(path, encoder, shard_options(recipe, labels, recipe.data.max_length), cache_dir, ranks));
  }
  const std::vector<float>& weights = shards->weights();
  if (!weights.empty() && std::all_of(weights.begin(), weights.end(), [](float weight) { return weight == 0; }))
    throw DataError("{}: the weights of all {} rows are 0, so that none would count: correct the column, or leave data.weight out", path,
                    weights.size());
  return shards;
}

// The run's numbers of a set's labels.
std::vector<int> number_labels(const std::string& set, const ShardSet& shards, const std::vector<std::string>& labels) {
  std::vector<int> ids;
  for (const std::string& label : shards.label_names()) {
    const auto found = std::find(labels.begin(), labels.end(), label);
    if (found == labels.end())
      throw DataError("{}: the label '{}' was never seen in training; the labels are: {}. Mend the file, or name all labels in data.labels",
                      set, label, listed(labels));
    ids.push_back(static_cast<int>(found - labels.begin()));
  }
  return ids;
}

// The sharder's order: that of a single source, or of all where they agree; else of all together, sorted as the sharder does.
std::vector<std::string> all_labels(const std::vector<DataSet>& sets) {
  const auto names_of = [](const DataSet& set) -> const std::vector<std::string>& { return set.shards->label_names(); };
  const std::vector<std::string>& first = names_of(sets.front());
  if (std::all_of(sets.begin(), sets.end(), [&](const DataSet& set) { return names_of(set) == first; })) return first;
  std::set<std::string> names;
  for (const DataSet& set : sets) names.insert(names_of(set).begin(), names_of(set).end());
  std::vector<std::string> sorted(names.begin(), names.end());
  sort_labels(sorted);
  return sorted;
}

// torch's and scikit-learn's "balanced": rows / (classes · rows of the class).
std::vector<float> class_weights(const Recipe& recipe, const RunData& data) {
  if (!recipe.loss.balanced && recipe.loss.class_weights.empty()) return {};
  std::vector<double> weights(data.labels.size(), 1.0);
  for (const auto& [label, weight] : recipe.loss.class_weights) {
    const auto found = std::find(data.labels.begin(), data.labels.end(), label);
    if (found == data.labels.end())
      throw RecipeError("loss.class_weights: there is no label '{}'; the labels are: {}", label, fmt::join(data.labels, ", "));
    weights[static_cast<std::size_t>(found - data.labels.begin())] = weight;
  }
  if (recipe.loss.balanced) {
    std::vector<double> counts(data.labels.size(), 0);
    double rows = 0;
    for (const DataSet& set : data.train)
      for (const std::int32_t label : set.shards->labels()) {
        counts[static_cast<std::size_t>(set.label_ids[static_cast<std::size_t>(label)])] += 1;
        rows += 1;
      }
    for (std::size_t i = 0; i < counts.size(); ++i)
      weights[i] = counts[i] > 0 ? rows / (static_cast<double>(counts.size()) * counts[i]) : 0;
  }
  return {weights.begin(), weights.end()};
}

}  // namespace

Problem problem_of(const Recipe& recipe) {
  if (recipe.task == Task::text_regression) return Problem::regression;
  return recipe.data.multi_label ? Problem::multi_label : Problem::single_label;
}

namespace {

bool has_labels(const Recipe& recipe) { return recipe.task != Task::speech_recognition && problem_of(recipe) != Problem::regression; }

std::shared_ptr<const Objective> classification(const Recipe& recipe, const RunData& data, std::vector<float> weights) {
  return std::make_shared<Classification>(name_of(recipe.task), data.labels,
                                          Loss{data.problem, std::move(weights), recipe.loss.label_smoothing});
}

std::shared_ptr<const Inputs> inputs_of(const Recipe& recipe, const DataModel& model) {
  if (hears(recipe.task)) return speech_inputs(recipe, model);
  return std::make_shared<TextInputs>();
}

// What is known before any row.
RunData described(const Recipe& recipe, const DataModel& model, const std::vector<std::string>& labels) {
  RunData data;
  data.problem = problem_of(recipe);
  data.labels = labels;
  if (hears(recipe.task)) data.files = missing_files(model);
  data.short_rows = recipe.speech.short_rows && model.is("whisper");
  data.inputs = inputs_of(recipe, model);
  return data;
}

void check_metric(const std::string& metric, const std::string& where, const std::vector<std::string>& names) {
  if (!metric.empty() && std::find(names.begin(), names.end(), metric) == names.end())
    throw RecipeError("{}: there is no metric '{}'; there are: {}", where, metric, fmt::join(names, ", "));
}

void check_metrics(const Recipe& recipe, const Objective& objective) {
  std::vector<std::string> names;
  for (const auto& [name, path] : recipe.data.eval)
    for (const std::string& metric : objective.metrics()) names.push_back(name + "/" + metric);
  const std::string file = recipe.file.string();
  check_metric(recipe.evaluate.metric, file + ": evaluate.metric", names);
  const std::vector<PhaseRecipe> phases = phases_of(recipe);
  for (std::size_t i = 0; i < phases.size(); ++i)
    for (const auto& [metric, unused] : phases[i].until.metrics)
      check_metric(metric, fmt::format("{}: thaw.phases[{}].until", file, i), names);
}

DataSet set_of(const std::string& name, const std::string& path, const Recipe& recipe, const RunData& data, const DataModel& model,
               Communicator& comm, const Say& say) {
  DataSet set{name, open_shards(path, recipe, model, data.labels, data.tokenizer.get(), comm, say), {}};
  if (recipe.task != Task::speech_recognition) return set;
  set.transcripts = transcripts_of(*set.shards, *data.tokenizer, recipe, say);
  if (const std::string said = never_learnt(set, *data.objective, model); !said.empty()) say(said);
  return set;
}

}  // namespace

RunData open_data(const Recipe& recipe, const DataModel& model, Communicator& comm, const Say& say) {
  RunData data = described(recipe, model, recipe.data.labels);
  if (recipe.task == Task::speech_recognition) {  // what it lacks shows before any audio is read
    data.tokenizer = recognition_tokenizer(recipe, model, comm, say, data.files);
    data.files.merge(missing_generation(recipe, model, *data.tokenizer));
    if (model.is("whisper") && model.config.contains("apply_spec_augment") && model.config["apply_spec_augment"] == true)
      say("config.json's apply_spec_augment is not done: augment.time_masks and frequency_masks in the recipe take its place");
    data.objective = recognition(recipe, model, data.tokenizer, data.inputs);
  } else if (!hears(recipe.task)) {
    data.tokenizer = load_tokenizer(model.directory);
  }
  check_metrics(recipe, data.objective != nullptr ? *data.objective : *classification(recipe, data, {}));
  for (const DataSource& source : recipe.data.train) data.train.push_back(set_of(source.path, source.path, recipe, data, model, comm, say));
  if (has_labels(recipe)) {
    if (data.labels.empty()) data.labels = all_labels(data.train);
    if (data.labels.size() < 2 && data.problem == Problem::single_label)
      throw DataError("data.train: expected rows of at least two labels, found only '{}'", data.labels.empty() ? "" : data.labels.front());
    for (DataSet& set : data.train) set.label_ids = number_labels(set.name, *set.shards, data.labels);
  }
  if (recipe.task != Task::speech_recognition) data.objective = classification(recipe, data, class_weights(recipe, data));
  for (const auto& [name, path] : recipe.data.eval) data.eval.push_back(open_set(name, path, recipe, data, model, comm, say));
  return data;
}

RunData data_of_model(const Recipe& recipe, const DataModel& model, const std::vector<std::string>& labels) {
  Recipe without_augmentation = recipe;  // its recordings of noise may be gone
  without_augmentation.augment = {};
  RunData data = described(without_augmentation, model, labels);
  if (recipe.task != Task::audio_classification) data.tokenizer = load_tokenizer(model.directory);
  if (recipe.task == Task::speech_recognition) data.objective = recognition(recipe, model, data.tokenizer, data.inputs);
  else data.objective = classification(recipe, data, {});
  return data;
}

DataSet open_set(const std::string& name, const std::string& path, const Recipe& recipe, const RunData& data, const DataModel& model,
                 Communicator& comm, const Say& say) {
  DataSet set = set_of(name, path, recipe, data, model, comm, say);
  if (recipe.evaluate.normalizer == "english" && !fs::exists(spelling_file(model.directory)))
    say(fmt::format("{}: British spellings are not made American as Whisper's normaliser does: {} is missing", name,
                    spelling_file(model.directory).string()));
  if (has_labels(recipe)) set.label_ids = number_labels(path, *set.shards, data.labels);
  return set;
}

}  // namespace thaw
