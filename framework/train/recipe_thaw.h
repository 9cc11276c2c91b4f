// The `schedule:`, `thaw:` and `cache:` parts of a recipe, described as recipe_fields.h has it. Used by recipe.cpp alone.
#pragma once

#include <string>
#include <utility>

#include "framework/thaw/cache_recipe.h"
#include "framework/thaw/presets.h"
#include "framework/thaw/thaw_recipe.h"
#include "framework/train/recipe_fields.h"

namespace thaw::recipe_fields {

template <typename Io>
void describe(const Io& io, ScheduleRecipe& r) {
  using Unit = Duration::Unit;
  io("name", r.name,
     Names<ScheduleKind>{{"constant", ScheduleKind::constant},
                         {"linear", ScheduleKind::linear},
                         {"cosine", ScheduleKind::cosine},
                         {"slanted_triangular", ScheduleKind::slanted_triangular},
                         {"one_cycle", ScheduleKind::one_cycle},
                         {"tri_stage", ScheduleKind::tri_stage}});
  const auto written = [&](ScheduleKind kind) { return io.reading || r.name == kind; };
  if (io.reading || r.name <= ScheduleKind::cosine)
    io.choice(
        r.warmup.unit, r.warmup.value,
        {{"warmup_steps", Unit::steps, count_or_0}, {"warmup_epochs", Unit::epochs, not_negative}, {"warmup_ratio", Unit::ratio, ratio}});
  if (written(ScheduleKind::slanted_triangular)) {
    io("cut_frac", r.cut_frac, inside_one);
    io("ratio", r.ratio, at_least_one);
  }
  if (written(ScheduleKind::one_cycle)) {
    io("pct_start", r.pct_start, inside_one);
    io("div", r.div, at_least_one);
    io("div_final", r.div_final, at_least_one);
  }
  if (written(ScheduleKind::tri_stage)) {
    io("warmup_part", r.warmup_part, below_one);
    io("hold_part", r.hold_part, below_one);
    io("initial_scale", r.initial_scale, ratio);
    io("final_scale", r.final_scale, inside_one);
  }
}

// A list of words, or one word alone.
inline std::vector<std::string> read_words(const YamlView& view) {
  if (!view.is(Kind::list)) return {checked(view, Text::needed)};
  std::vector<std::string> words;
  for (const YamlView& item : view.items()) words.push_back(checked(item, Text::needed));
  return words;
}

// A flat map of selectors and rates.
template <typename Io>
void describe_rates(const Io& io, Rates& rates) {
  if (!io.reading && rates.empty()) return;
  io.special(
      "rates",
      [&](const YamlView& v) {
        rates.clear();
        for (const auto& [selector, lr] : v.entries()) rates.emplace_back(selector, checked(lr, positive));
      },
      [&] {
        YamlNode map = YamlNode::map();
        for (const auto& [selector, lr] : rates) map.add(selector, yaml_number(lr));
        return map;
      });
}

inline void read_until(const YamlView& view, Until& until) {
  for (const auto& [key, value] : view.entries()) {
    if (key == "epochs") until.epochs = checked(value, positive);
    else if (key == "steps") until.steps = static_cast<std::int64_t>(checked(value, count));
    else if (key == "rows") until.rows = static_cast<std::int64_t>(checked(value, count));
    else if (key == "end_epoch") until.end_epoch = static_cast<std::int64_t>(checked(value, count));
    else if (key == "patience") until.patience = static_cast<std::int64_t>(checked(value, count));
    else if (key.find('/') != std::string::npos) until.metrics.emplace_back(key, value.number());
    else value.refuse("unknown key; the keys here are epochs, steps, rows, end_epoch, patience, and a metric such as dev/accuracy");
  }
}

inline YamlNode write_until(const Until& until) {
  YamlNode map = YamlNode::map();
  const auto whole = [](std::int64_t value) { return YamlNode::scalar(fmt::format("{}", value), true); };
  if (until.epochs) map.add("epochs", yaml_number(*until.epochs));
  if (until.steps) map.add("steps", whole(*until.steps));
  if (until.rows) map.add("rows", whole(*until.rows));
  if (until.end_epoch) map.add("end_epoch", whole(*until.end_epoch));
  if (until.patience > 0) map.add("patience", whole(until.patience));
  for (const auto& [metric, value] : until.metrics) map.add(metric, yaml_number(value));
  return map;
}

template <typename Io>
void describe(const Io& io, PhaseRecipe& r) {
  io.special(
      "trainable", [&](const YamlView& v) { r.trainable = read_words(v); },
      [&] {
        YamlNode list = YamlNode::list();
        for (const std::string& word : r.trainable) list.items.push_back(yaml_text(word));
        return list;
      });
  io.special(
      "until", [&](const YamlView& v) { read_until(v, r.until); }, [&] { return write_until(r.until); });
  if (io.reading || r.lr) io("lr", r.lr, positive);
  describe_rates(io, r.rates);
  io.special(
      "schedule",
      [&](const YamlView& v) {
        r.restart = true;
        if (v.is(Kind::map)) describe(Reader(v), r.schedule.emplace());
        else if (!v.is(Kind::scalar) || (v.text() != "restart" && v.text() != "continue"))
          v.fail("continue, restart, or a schedule of its own: {name: …}");
        else r.restart = v.text() == "restart";
      },
      [&] {
        if (!r.schedule) return yaml_text(r.restart ? "restart" : "continue");
        YamlNode own = YamlNode::map();
        describe(Writer(own), *r.schedule);
        return own;
      });
  io("moments", r.fresh_moments, Names<bool>{{"keep", false}, {"fresh", true}});
  io("restore_best", r.restore_best);
  io("reinitialise_top", r.reinitialise_top, count_or_0);
  if (io.reading || !r.augment) io("augment", r.augment);
}

template <typename Io>
void describe(const Io& io, LayerDecay& r) {
  if (!io.reading && r.convention == Convention::none) return;
  if (io.reading) r.convention = Convention::beit;
  io("convention", r.convention,
     Names<Convention>{{"beit", Convention::beit},
                       {"few_sample", Convention::few_sample},
                       {"electra", Convention::electra},
                       {"sun", Convention::sun},
                       {"ulmfit", Convention::ulmfit}});
  if (io.reading) r.decay = default_decay(r.convention);
  io("decay", r.decay, positive);
  io("min_scale", r.min_scale, ratio);
}

template <typename Io>
void describe(const Io& io, ThawRecipe& r) {
  if (io.reading || !r.preset.empty())
    io.special(
        "preset",
        [&](const YamlView& v) {
          r.preset = checked(v, Text::needed);
          if (find_preset(r.preset) == nullptr) v.refuse(advice_on_presets(r.preset));
        },
        [&] { return yaml_text(r.preset); });
  if (io.reading || !r.fts_schedule.empty()) io("fts_schedule", r.fts_schedule, Text::needed);
  if constexpr (Io::reading)
    io.special(
        "layer_decay",
        [&](const YamlView& v) {
          if (v.is(Kind::map)) describe(Reader(v), r.layer_decay);
          else if (!v.null()) v.fail("{convention: beit, decay: 0.9}, or another convention");
        },
        [] { return YamlNode(); });
  else io.section("layer_decay", [&](const Io& inner) { describe(inner, r.layer_decay); });
  describe_rates(io, r.rates);
  if (!io.reading && r.phases.empty()) return;
  io.special(
      "phases",
      [&](const YamlView& v) {
        r.phases.clear();
        for (const YamlView& item : v.items()) describe(Reader(item), r.phases.emplace_back());
      },
      [&] {
        YamlNode list = YamlNode::list();
        for (PhaseRecipe& phase : r.phases) describe(Writer(list.items.emplace_back(YamlNode::map())), phase);
        return list;
      });
}

template <typename Io>
void describe(const Io& io, CacheRecipe& r) {
  using Mode = CacheRecipe::Mode;
  io("activations", r.activations, Names<Mode>{{"auto", Mode::automatic}, {"on", Mode::on}, {"off", Mode::off}});
  io("dir", r.dir);
  io("max_gib", r.max_gib, not_negative);
}

}  // namespace thaw::recipe_fields
