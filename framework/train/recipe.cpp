#include "framework/train/recipe.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "datasets/speech/corpus.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/yaml.h"
#include "framework/thaw/fts_schedule.h"
#include "framework/train/recipe_check.h"
#include "framework/train/recipe_fields.h"
#include "framework/train/recipe_thaw.h"
#include "framework/train/recipe_words.h"

namespace thaw {
namespace {

using namespace recipe_fields;

// A list of texts, or one alone.
template <typename Io>
void texts(const Io& io, const char* key, std::vector<std::string>& values) {
  io.special(
      key,
      [&](const YamlView& v) {
        values.clear();
        if (v.is(Kind::scalar) && !v.null()) values.push_back(checked(v, Text::needed));
        if (v.is(Kind::map)) v.fail("a list of texts");
        if (v.is(Kind::list))
          for (const YamlView& item : v.items()) values.push_back(checked(item, Text::needed));
      },
      [&] {
        YamlNode list = YamlNode::list();
        for (const std::string& value : values) list.items.push_back(yaml_text(value));
        return list;
      });
}

// [low, high]
template <typename Io>
void between(const Io& io, const char* key, double& low, double& high) {
  io.special(
      key,
      [&](const YamlView& v) {
        const auto ends = v.is(Kind::list) ? v.items() : std::vector<YamlView>();
        if (ends.size() != 2) v.fail("a list of two numbers, the lower one first");
        low = ends[0].number(), high = ends[1].number();
        if (low > high) v.fail("the lower number first");
      },
      [&] {
        YamlNode list = YamlNode::list();
        list.items = {yaml_number(low), yaml_number(high)};
        return list;
      });
}

DataSource read_source(const YamlView& view) {
  DataSource source;
  if (view.is(Kind::map)) {
    if (!view["path"].given()) view.refuse("expected the key path, which is missing");
    const Reader reader(view);
    reader("path", source.path, Text::needed);
    reader("weight", source.weight, positive);
  } else {
    source.path = checked(view, Text::needed);
  }
  return source;
}

template <typename Io>
void describe(const Io& io, AudioRecipe& r) {
  std::vector<std::pair<const char*, std::string>> formats;
  for (const auto& [name, unused] : corpus_formats) formats.emplace_back(name, name);
  io("corpus", r.corpus, formats);
  io.special(
      "columns",
      [&](const YamlView& v) {
        r.columns.clear();
        if (!v.null())
          for (const auto& [use, column] : v.entries()) r.columns.emplace_back(use, checked(column, Text::needed));
      },
      [&] {
        YamlNode map = YamlNode::map();
        for (const auto& [use, column] : r.columns) map.add(use, yaml_text(column));
        return map;
      });
  io("pattern", r.pattern);
  io("root", r.root);
  io("language", r.language);
  texts(io, "text_rules", r.text_rules);
  io("min_seconds", r.min_seconds, not_negative);
  io("max_seconds", r.max_seconds, not_negative);
  io("bad_limit", r.bad_limit, Text::needed);
  io("store", r.store, Names<std::string>{{"i16", "i16"}, {"flac", "flac"}});
}

template <typename Io>
void describe(const Io& io, AugmentRecipe& r) {
  io.special(
      "speeds",
      [&](const YamlView& v) {
        constexpr Range speed{"a number from 0.1 to 10", [](double x) { return x >= 0.1 && x <= 10; }};
        r.speeds.clear();
        if (!v.null())
          for (const YamlView& item : v.items()) r.speeds.push_back(checked(item, speed));
      },
      [&] {
        YamlNode list = YamlNode::list();
        for (const double value : r.speeds) list.items.push_back(yaml_number(value));
        return list;
      });
  io("noise", r.noise, ratio);
  between(io, "noise_snr_db", r.low_snr_db, r.high_snr_db);
  io("noises", r.noises);
  between(io, "gain_db", r.low_gain_db, r.high_gain_db);
  io("time_masks", r.time_masks, count_or_0);
  io("time_width", r.time_width, count);
  io("frequency_masks", r.frequency_masks, count_or_0);
  io("frequency_width", r.frequency_width, count);
}

template <typename Io>
void describe(const Io& io, SpeechRecipe& r) {
  io("head", r.head, Names<SpeechHead>{{"model", SpeechHead::of_model}, {"decoder", SpeechHead::decoder}, {"ctc", SpeechHead::ctc}});
  io("translate", r.translate);
  io("timestamps", r.timestamps, ratio);
  io("short_rows", r.short_rows);
  io("vocabulary", r.vocabulary_of_model, Names<bool>{{"model", true}, {"transcripts", false}});
  io("casing", r.casing, Names<Casing>{{"as_written", Casing::as_written}, {"folded", Casing::folded}});
}

template <typename Io>
void describe(const Io& io, DataRecipe& r) {
  io.special(
      "train",
      [&](const YamlView& v) {
        r.train.clear();
        if (!v.is(Kind::list)) r.train.push_back(read_source(v));
        else
          for (const YamlView& item : v.items()) r.train.push_back(read_source(item));
      },
      [&] {
        YamlNode list = YamlNode::list();
        for (const DataSource& source : r.train) {
          YamlNode& item = list.items.emplace_back(YamlNode::map());
          item.add("path", yaml_text(source.path));
          item.add("weight", yaml_number(source.weight));
        }
        return list;
      });
  io.special(
      "eval",
      [&](const YamlView& v) {
        r.eval.clear();
        if (v.is(Kind::list)) v.fail("a path, or {name: path, …}");
        if (v.is(Kind::scalar)) r.eval.emplace_back("dev", checked(v, Text::needed));
        if (v.is(Kind::map))
          for (const auto& [name, path] : v.entries()) r.eval.emplace_back(name, checked(path, Text::needed));
      },
      [&] {
        YamlNode map = YamlNode::map();
        for (const auto& [name, path] : r.eval) map.add(name, yaml_text(path));
        return map;
      });
  io.special(
      "labels",
      [&](const YamlView& v) {
        r.labels.clear();
        if (!v.null())
          for (const YamlView& item : v.items()) r.labels.push_back(checked(item, Text::needed));
      },
      [&] {
        YamlNode list = YamlNode::list();
        for (const std::string& label : r.labels) list.items.push_back(yaml_text(label));
        return list;
      });
  io("multi_label", r.multi_label);
  io("text", r.text, Text::needed);
  io("text_pair", r.text_pair);
  io("label", r.label, Text::needed);
  io("id", r.id);
  io("weight", r.row_weight);
  io("group", r.group);
  io("separator", r.separator, Text::needed);
  io("format", r.format, source_formats);
  io("header", r.header, headers);
  io.special(
      "delimiter",
      [&](const YamlView& v) {
        const std::optional<char> delimiter = delimiter_of(checked(v, Text::any));
        if (!delimiter) v.fail(delimiter_words);
        r.delimiter = *delimiter;
      },
      [&] { return yaml_text(name_of_delimiter(r.delimiter)); });
  io("max_length", r.max_length, row_tokens);
  io.section("audio", [&](const Io& inner) { describe(inner, r.audio); });
  io("cache_dir", r.cache_dir);
}

template <typename Io>
void describe(const Io& io, BatchRecipe& r) {
  using Unit = BatchRecipe::Unit;
  io.choice(r.unit, r.size, {{"size", Unit::rows, count}, {"tokens", Unit::tokens, count}, {"seconds", Unit::seconds, count}});
  io("grain", r.grain, count_or_0);
}

template <typename Io>
void describe(const Io& io, OptimizerRecipe& r) {
  io("name", r.name, Names<std::string>{{"adamw", "adamw"}});
  io("lr", r.lr, positive);
  io("weight_decay", r.weight_decay, not_negative);
  io.special(
      "betas",
      [&](const YamlView& v) {
        const auto betas = v.items();
        if (betas.size() != 2) v.fail("a list of two numbers");
        r.beta1 = checked(betas[0], below_one);
        r.beta2 = checked(betas[1], below_one);
      },
      [&] {
        YamlNode list = YamlNode::list();
        list.items = {yaml_number(r.beta1), yaml_number(r.beta2)};
        return list;
      });
  io("eps", r.eps, positive);
  io("clip_norm", r.clip_norm, not_negative);
  io("sharded", r.sharded);
}

template <typename Io>
void describe(const Io& io, LossRecipe& r) {
  io.special(
      "class_weights",
      [&](const YamlView& v) {
        if (v.is(Kind::map))
          for (const auto& [label, weight] : v.entries()) r.class_weights.emplace_back(label, checked(weight, not_negative));
        else if (v.is(Kind::scalar) && v.text() == "balanced") r.balanced = true;
        else if (!v.null()) v.fail("balanced, or {label: weight, …}");
      },
      [&] {
        if (r.balanced) return yaml_text("balanced");
        YamlNode map = r.class_weights.empty() ? YamlNode() : YamlNode::map();
        for (const auto& [label, weight] : r.class_weights) map.add(label, yaml_number(weight));
        return map;
      });
  io("label_smoothing", r.label_smoothing, below_one);
}

template <typename Io>
void describe(const Io& io, EvaluateRecipe& r) {
  io("every_steps", r.every_steps, count_or_0);
  io("metric", r.metric);
  io("max_rows", r.max_rows, count_or_0);
  io("beams", r.beams, count_or_0);
  io("words", r.words);
  io("unknown_word", r.unknown_word, not_negative);
  io("normalizer", r.normalizer, Names<std::string>{{"none", "none"}, {"basic", "basic"}, {"english", "english"}});
  texts(io, "text_rules", r.text_rules);
  io("patience", r.patience, count_or_0);
}

template <typename Io>
void describe(const Io& io, CheckpointRecipe& r) {
  io("every_steps", r.every_steps, count_or_0);
  io("every_minutes", r.every_minutes, not_negative);
  io("keep", r.keep, count);
  io("keep_best", r.keep_best);
}

template <typename Io>
void describe(const Io& io, DivergenceRecipe& r) {
  io("max_skipped", r.max_skipped, count);
  io("z_score", r.z_score, not_negative);
}

template <typename Io>
void describe(const Io& io, Seeds& seeds, std::uint64_t seed) {
  for (const auto& [key, value] : {std::pair{"init", &seeds.init}, {"order", &seeds.order}, {"dropout", &seeds.dropout}})
    if (io.reading || *value != seed) io(key, *value);
}

template <typename Io>
void describe(const Io& io, Recipe& r) {
  using Unit = Duration::Unit;
  std::int64_t version = 1;
  io("recipe", version, Range{"1, the recipe format that this version of thaw reads", [](double v) { return v == 1; }, true});
  io("task", r.task, tasks);
  io("model", r.model, Text::needed);
  io("output_dir", r.output_dir, Text::needed);
  io("seed", r.seed);
  if (io.reading) r.seeds = {r.seed, r.seed, r.seed};
  io.section("seeds", [&](const Io& inner) { describe(inner, r.seeds, r.seed); });
  io("precision", r.precision, Names<Precision>{{"fp32", Precision::fp32}, {"bf16", Precision::bf16}});
  io("reproducible", r.reproducible);
  io("threads", r.threads, count_or_0);
  io.special(
      "comm_timeout", [&](const YamlView& v) { r.comm_timeout_s = read_time(v); }, [&] { return yaml_text(write_time(r.comm_timeout_s)); });
  io("without_supervisor", r.without_supervisor,
     Names<WithoutSupervisor>{{"finish", WithoutSupervisor::finish}, {"stop", WithoutSupervisor::stop}});
  io.special(
      "max_time",
      [&](const YamlView& v) {
        if (!v.null()) r.max_time_s = read_time(v);
      },
      [&] { return r.max_time_s ? yaml_text(write_time(*r.max_time_s)) : YamlNode(); });
  if (io.reading || (r.thaw.phases.empty() && r.thaw.preset.empty()))
    io.choice(r.length.unit, r.length.value, {{"epochs", Unit::epochs, positive}, {"steps", Unit::steps, count}});
  io("dropout", r.dropout, below_one);
  io.section("data", [&](const Io& inner) { describe(inner, r.data); });
  if (io.reading || hears(r.task)) {
    io.section("augment", [&](const Io& inner) { describe(inner, r.augment); });
    io.section("speech", [&](const Io& inner) { describe(inner, r.speech); });
  }
  io.section("batch", [&](const Io& inner) { describe(inner, r.batch); });
  io.section("optimizer", [&](const Io& inner) { describe(inner, r.optimizer); });
  io.section("schedule", [&](const Io& inner) { describe(inner, r.schedule); });
  io.section("loss", [&](const Io& inner) { describe(inner, r.loss); });
  io.section("thaw", [&](const Io& inner) { describe(inner, r.thaw); });
  io.section("cache", [&](const Io& inner) { describe(inner, r.cache); });
  io.section("evaluate", [&](const Io& inner) { describe(inner, r.evaluate); });
  io.section("checkpoint", [&](const Io& inner) { describe(inner, r.checkpoint); });
  io.section("divergence", [&](const Io& inner) { describe(inner, r.divergence); });
}

YamlNode as_yaml(Recipe recipe) {
  YamlNode root = YamlNode::map();
  describe(Writer(root), recipe);
  return root;
}

// Every value as it is written, by key; lists and maps with free keys whole.
void flatten(const YamlNode& node, const std::string& path, std::map<std::string, std::string>& out) {
  for (const YamlNode& item : node.items) {
    const std::string key = path.empty() ? item.key : path + "." + item.key;
    if (item.kind == Kind::map && path.empty()) flatten(item, key, out);
    else out[key] = write_yaml_inline(item);
  }
}

bool may_change(const std::string& key) {
  return key == "output_dir" || key == "max_time" || key == "comm_timeout" || key == "without_supervisor" || key == "data.cache_dir" ||
         key == "optimizer.sharded" || key.starts_with("cache.") || key.starts_with("checkpoint.") || key.starts_with("evaluate.");
}

}  // namespace

const char* name_of(Task task) {
  return std::find_if(tasks.begin(), tasks.end(), [&](const auto& named) { return named.second == task; })->first;
}

Recipe read_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return parse_recipe(file.string(), read_file(file), overrides);
}

Recipe parse_recipe(const std::string& name, const std::string& yaml, const std::vector<std::string>& overrides) {
  YamlDocument document(name, yaml);
  for (const std::string& assignment : overrides) document.set(assignment);
  Recipe recipe;
  recipe.file = name;
  describe(Reader(document.view()), recipe);
  refuse_unknown_keys(document);
  finish_recipe(document, recipe);
  return recipe;
}

void expand_thaw(Recipe& recipe, const ModelNames& model) {
  if (recipe.thaw.preset.empty() && recipe.thaw.fts_schedule.empty()) return;
  if (!recipe.thaw.fts_schedule.empty()) {
    recipe.thaw = {
        {}, {}, read_fts_schedule(recipe.thaw.fts_schedule, model, {recipe.optimizer.lr, recipe.length.value, recipe.evaluate.patience})};
    recipe.evaluate.patience = 0;  // it ends phases now, and with the last one the run
  }
  if (!recipe.thaw.preset.empty()) {
    const LayerDecay decay = recipe.thaw.layer_decay;
    recipe.thaw = preset(recipe.thaw.preset, model, recipe.optimizer.lr);
    if (decay.convention != Convention::none) recipe.thaw.layer_decay = decay;  // of a preset without one
  }
  recipe.length = Recipe().length;  // the phases' sum from now on
}

std::vector<PhaseRecipe> phases_of(const Recipe& recipe) {
  if (!recipe.thaw.preset.empty() || !recipe.thaw.fts_schedule.empty())
    throw std::logic_error("phases_of: the thaw section is still to be written out by expand_thaw");
  if (!recipe.thaw.phases.empty()) return recipe.thaw.phases;
  PhaseRecipe all;
  all.trainable = {"all"};
  if (recipe.length.unit == Duration::Unit::steps) all.until.steps = static_cast<std::int64_t>(recipe.length.value);
  else all.until.epochs = recipe.length.value;
  return {all};
}

std::string to_yaml(const Recipe& recipe) { return write_yaml(as_yaml(recipe)); }

YamlNode as_yaml(const ThawRecipe& thaw) {
  YamlNode root = YamlNode::map(), usual = YamlNode::map();
  ThawRecipe copy = thaw;
  describe(Writer(root), copy);
  PhaseRecipe defaults;
  describe(Writer(usual), defaults);
  for (YamlNode& entry : root.items)
    for (YamlNode& phase : entry.items)
      if (entry.key == "phases")
        std::erase_if(phase.items, [&](const YamlNode& item) {
          const YamlNode* const same = usual.find(item.key);
          return same != nullptr && write_yaml_inline(*same) == write_yaml_inline(item);
        });
  return root;
}

std::vector<std::string> recipe_keys() {
  const YamlDocument document("", "recipe: 1");
  Recipe ignored;
  describe(Reader(document.view()), ignored);
  return document.known_keys();
}

std::map<std::string, std::string> recipe_values(const Recipe& recipe) {
  std::map<std::string, std::string> values;
  flatten(as_yaml(recipe), "", values);
  return values;
}

std::vector<std::string> differences(const Recipe& before, const Recipe& now) {
  const std::map<std::string, std::string> old_values = recipe_values(before);
  std::map<std::string, std::string> new_values = recipe_values(now);
  for (const auto& [key, value] : old_values) new_values.try_emplace(key, "not given");
  std::vector<std::string> lines;
  for (const auto& [key, value] : new_values) {
    const auto old = old_values.find(key);
    const std::string old_text = old == old_values.end() ? "not given" : old->second;
    if (old_text != value && !may_change(key)) lines.push_back(fmt::format("{}: {} → {}", key, old_text, value));
  }
  return lines;
}

}  // namespace thaw
