#include "launcher/job.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "framework/models/pretrained.h"
#include "framework/thaw/selection.h"
#include "framework/thaw/shared_weights.h"
#include "framework/train/batches.h"
#include "framework/train/speech.h"
#include "framework/train/trainer.h"

namespace thaw {

namespace {

// Which layers there are depends on what the model ends in.
HeadSpec usual_head(const Recipe& recipe, const Json& config) {
  if (recipe.task != Task::speech_recognition) return {};
  return {.kind = spells_by_ctc(recipe, config) ? Head::ctc : Head::language};
}

// What the thaw plan names, before any data is read. Steps are counted afterwards.
void check_names(const Recipe& recipe, const Model& model) {
  const DataLength unread{[](const Position&, const Until&) { return std::int64_t{1}; },
                          [](const Position& from, std::int64_t) { return from; }};
  plan_of(recipe, model, unread);
}

}  // namespace

Job resolve_job(const std::string& recipe_file, const std::vector<std::string>& overrides, Ranks& ranks,
                const std::function<std::int64_t(const Recipe&)>& grain) {
  Job job;
  job.recipe = read_recipe(recipe_file, overrides);
  job.place = find_model(job.recipe.model);
  job.config = open_pretrained(job.place.directory).config;
  const std::string where = (job.place.directory / "config.json").string();
  const JsonView config(job.config, where);
  if (const auto built = build_model(config, {}); built->hears != hears(job.recipe.task))
    throw RecipeError("{}: task: {}: this task {} audio, but {} is a {}, which {}", job.recipe.file.string(), name_of(job.recipe.task),
                      hears(job.recipe.task) ? "hears" : "does not hear", job.place.name, built->architecture,
                      built->hears ? "hears" : "reads text");
  const std::unique_ptr<Model> built = build_model(config, usual_head(job.recipe, job.config));
  expand_thaw(job.recipe, names_of(*built));
  check_names(job.recipe, *built);
  if (!built->hears) {
    job.cut = job.recipe.data.max_length > built->max_positions;
    job.recipe.data.max_length = std::min(job.recipe.data.max_length, built->max_positions);
  }
  if (job.recipe.batch.grain == 0 && grain) job.recipe.batch.grain = grain(job.recipe);
  if (job.recipe.reproducible && !ranks.device.is_cpu())
    throw RecipeError("{}: reproducible: sums in a fixed order are not there for GPUs yet; leave it out, or run on CPUs",
                      job.recipe.file.string());
  job.recipe.batch = with_grain(job.recipe.batch, ranks.comm->size(), job.recipe.reproducible, hears(job.recipe.task));
  if (job.recipe.threads > 0) at::set_num_threads(ranks.placement.threads = static_cast<int>(job.recipe.threads));
  return job;
}

void load_job(Job& job, Ranks& ranks, const Say& say) {
  Recipe& recipe = job.recipe;
  job.data = open_data(recipe, {job.place.directory, job.config}, *ranks.comm, say);
  if (recipe.evaluate.metric.empty() && !job.data.eval.empty())
    recipe.evaluate.metric = job.data.eval.front().name + "/" + job.data.objective->usual_metric();
  HeadSpec head = job.data.objective->head();
  head.dropout = recipe.dropout.value_or(-1);
  head.short_rows = recipe.speech.short_rows;
  job.model = load_model(job.place.directory, head, recipe.seeds.init, &job.report);
  // A head of as many characters as the new vocabulary has, but of others.
  std::vector<std::string>& drawn = job.report.initialised;
  if (job.data.files.contains("vocab.json") && std::find(drawn.begin(), drawn.end(), "lm_head.weight") == drawn.end()) {
    reinitialise(*job.model, 0, recipe.seeds.init);
    drawn.insert(drawn.end(), {"lm_head.weight", "lm_head.bias"});
  }
  if (!job.data.inputs->hears() && static_cast<std::int64_t>(job.data.tokenizer->vocabulary_size()) > job.model->vocabulary_size)
    throw ModelError("tokenizer.json has {} tokens, but the model's embeddings only {}: they are of two models",
                     job.data.tokenizer->vocabulary_size(), job.model->vocabulary_size);
  job.model->to(ranks.device);
  const std::string problem =
      set_precision_together(*job.model, recipe.precision == Precision::bf16 ? at::kBFloat16 : at::kFloat, *ranks.comm);
  if (!problem.empty()) say(fmt::format("memory     each rank has bf16 weights of its own: {}", problem));
}

std::string count_of(double value) {
  return value >= 1e9   ? fmt::format("{:.2f} B", value / 1e9)
         : value >= 1e6 ? fmt::format("{:.1f} M", value / 1e6)
         : value >= 1e4 ? fmt::format("{:.1f} k", value / 1e3)
                        : fmt::format("{:.0f}", value);
}

}  // namespace thaw
