// thaw recipes: published ways of thawing, and what each is as the `thaw:` section of a recipe. Needs no ranks and no data.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "framework/base/error.h"
#include "framework/base/json.h"
#include "framework/models/hub.h"
#include "framework/models/registry.h"
#include "framework/thaw/selection.h"
#include "framework/train/recipe.h"
#include "launcher/commands.h"

namespace thaw {
namespace {

struct RecipesOptions {
  std::string name, model;
  int layers = 6;
  double lr = 0;  // 0: the preset's own
  bool json = false;
};

Json as_json(const YamlNode& node) {
  using Kind = YamlNode::Kind;
  Json out;
  if (node.kind == Kind::scalar) out = node.plain ? Json::parse(node.text) : Json(node.text);
  if (node.kind == Kind::list) out = Json::array();
  if (node.kind == Kind::map) out = Json::object();
  for (const YamlNode& item : node.items) {
    if (node.kind == Kind::list) out.push_back(as_json(item));
    else out[item.key] = as_json(item);
  }
  return out;
}

std::string source_of(const Preset& preset, const char* line_start, const char* line_end) {
  std::string text;
  for (const char* line : preset.source) text += fmt::format("{}{}{}", line_start, line, line_end);
  return text;
}

void list(bool json) {
  Json all = Json::array();
  for (const Preset& preset : presets()) {
    if (json) all.push_back({{"name", preset.name}, {"summary", preset.summary}, {"source", source_of(preset, "", " ")}});
    else fmt::print("{:<16}{}\n", preset.name, preset.summary);
  }
  if (json) fmt::print("{}\n", all.dump());
  else fmt::print("\nIn a recipe:  thaw: {{preset: NAME}}    As phases, to read and change:  thaw recipes show NAME\n");
}

void show(const RecipesOptions& options) {
  const Preset* const found = find_preset(options.name);
  if (found == nullptr) throw UsageError("thaw recipes show: {}", advice_on_presets(options.name));
  ModelNames names = numbered_blocks(options.layers);
  std::string whose = fmt::format("a model of {} layers", options.layers);
  if (!options.model.empty()) {
    const ModelPlace place = find_model(options.model);
    names = names_of(*build_model(JsonFile(place.directory / "config.json").view(), {}));
    whose = fmt::format("{}, {} layers", place.name, names.blocks.size());
  }
  const double lr = options.lr > 0 ? options.lr : found->lr.value_or(OptimizerRecipe().lr);
  const YamlNode thaw = as_yaml(preset(found->name, names, lr));
  if (options.json) {
    fmt::print("{}\n", Json{{"name", found->name},
                            {"summary", found->summary},
                            {"source", source_of(*found, "", " ")},
                            {"layers", names.blocks.size()},
                            {"thaw", as_json(thaw)}}
                           .dump());
    return;
  }
  YamlNode root = YamlNode::map();
  root.add("thaw", thaw);
  fmt::print("# {} for {}\n{}", found->name, whose, source_of(*found, "# ", "\n"));
  if (found->lr) fmt::print("# Rates are for optimizer.lr: {}\n", yaml_number(lr).text);
  fmt::print("{}", write_yaml(root));
}

}  // namespace

void add_recipes(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("recipes", "List published ways of thawing, or show one as phases of a recipe");
  auto options = std::make_shared<RecipesOptions>();
  command->add_flag("--json", options->json, "In JSON");
  command->require_subcommand(0, 1);
  command->footer("Example:  thaw recipes\n          thaw recipes show ulmfit --layers 12\nIn a recipe:  thaw: {preset: ulmfit}");

  CLI::App* shown = command->add_subcommand("show", "One of them as the `thaw:` section of a recipe, in YAML");
  shown->add_option("name", options->name, "Its name, such as ulmfit")->required();
  CLI::Option* layers = shown->add_option("--layers", options->layers, "The model's layers between embeddings and head (6)");
  layers->check(CLI::Range(1, 1000));
  shown->add_option("--model", options->model, "Or a model: a directory, or a name on the hub")->excludes(layers);
  shown->add_option("--lr", options->lr, "optimizer.lr, for those whose rates are multiples of it")->check(CLI::PositiveNumber);
  shown->add_flag("--json", options->json, "In JSON");
  shown->footer("Example:  thaw recipes show ulmfit --layers 12 >> recipe.yaml");

  command->callback([=, &exit_code] {
    if (command->got_subcommand(shown)) show(*options);
    else list(options->json);
    exit_code = 0;
  });
}

}  // namespace thaw
