#include "framework/train/recipe_check.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "datasets/speech/text_rules.h"
#include "framework/base/error.h"

namespace thaw {
namespace {

class Checker {
 public:
  Checker(const YamlDocument& document, Recipe& recipe) : document_(document), r_(recipe) {}

  void run() {
    need("recipe", "recipe: 1 (the version of the format)");
    need("task", "task: text-classification, or another");
    need("model", "model: a directory, or a name on the hub");
    need("output_dir", "output_dir: where the run is written");
    need("data.train", "data.train: the rows to learn from");
    if (r_.data.train.empty()) at("data.train").refuse("expected at least one source, found none");
    eval_sets();
    labels();
    of_the_task();
    text_rules(r_.data.audio.text_rules, "data.audio.text_rules");
    text_rules(r_.evaluate.text_rules, "evaluate.text_rules");
    loss();
    schedule();
    thaw();
    if (r_.batch.grain > 0 && r_.batch.size % r_.batch.grain != 0)
      at("batch.grain")
          .refuse(fmt::format("expected a divisor of {} ({}), found {}",
                              r_.batch.unit == BatchRecipe::Unit::rows ? "batch.size" : fmt::format("batch.{}", r_.batch.unit_name()),
                              r_.batch.size, r_.batch.grain));
    output_dir();
  }

 private:
  YamlView at(std::string_view path) const { return document_.at(path); }
  bool given(std::string_view path) const { return !at(path).null(); }

  void need(std::string_view path, std::string_view example) const {
    if (!at(path).given()) throw RecipeError("{}: expected the key {}, which is missing; add {}", document_.name(), path, example);
  }

  void eval_sets() const {
    for (const auto& [name, path] : r_.data.eval)
      if (name.empty() || name.find_first_of("/ \t\n") != std::string::npos)
        at("data.eval").refuse(fmt::format("expected names without spaces and slashes, found '{}'", name));
    for (const char* key : {"evaluate.metric", "evaluate.patience"})
      if (r_.data.eval.empty() && (key == std::string("evaluate.metric") ? !r_.evaluate.metric.empty() : r_.evaluate.patience > 0))
        at(key).refuse("there is nothing to evaluate on; add data.eval");
    if (r_.evaluate.metric.empty()) return;
    check_set_of(r_.evaluate.metric, at("evaluate.metric"));
  }

  // A metric is "SET/METRIC"; which metrics there are is known once the data is.
  void check_set_of(const std::string& metric, const YamlView& view) const {
    const std::size_t slash = metric.find('/');
    const std::string set = metric.substr(0, slash);
    std::string known;
    for (const auto& [name, path] : r_.data.eval) known += (known.empty() ? "" : ", ") + name;
    const bool found = std::any_of(r_.data.eval.begin(), r_.data.eval.end(), [&](const auto& e) { return e.first == set; });
    if (slash == std::string::npos || slash + 1 == metric.size() || !found)
      view.refuse(fmt::format("expected SET/METRIC with a set of data.eval ({}), found {}", known, metric));
  }

  void text_rules(const std::vector<std::string>& rules, const std::string& key) const {
    for (std::size_t i = 0; i < rules.size(); ++i) {
      try {
        const TextRules known({rules[i]});
      } catch (const DataError& error) {
        at(key).items()[i].refuse(error.what());
      }
    }
  }

  void labels() const {
    for (std::size_t i = 0; i < r_.data.labels.size(); ++i) {
      const auto end = r_.data.labels.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::find(r_.data.labels.begin(), end, r_.data.labels[i]) != end)
        at("data.labels").items()[i].refuse(fmt::format("the label '{}' stands here twice; keep one", r_.data.labels[i]));
    }
    if (r_.data.labels.size() == 1 && !r_.data.multi_label) at("data.labels").refuse("expected two labels or more, found one");
    if (r_.task != Task::text_regression) return;
    for (const char* key : {"data.labels", "data.multi_label", "loss.class_weights", "loss.label_smoothing"}) {
      const bool used = key == std::string("data.multi_label")       ? r_.data.multi_label
                        : key == std::string("data.labels")          ? !r_.data.labels.empty()
                        : key == std::string("loss.label_smoothing") ? r_.loss.label_smoothing > 0
                                                                     : given(key);
      if (used) at(key).refuse("text-regression has no classes; leave this key out");
    }
  }

  // What the task would pass over in silence.
  void of_the_task() const {
    const auto leave_out = [&](bool used, const char* key, std::string_view why) {
      if (used) at(key).refuse(fmt::format("{} {}; leave this key out", name_of(r_.task), why));
    };
    if (!hears(r_.task)) {
      for (const auto& [used, key] : {std::pair{r_.data.audio != AudioRecipe{}, "data.audio"},
                                      {r_.augment != AugmentRecipe{}, "augment"},
                                      {r_.speech != SpeechRecipe{}, "speech"}})
        leave_out(used, key, "hears no audio");
      leave_out(r_.batch.unit == BatchRecipe::Unit::seconds, "batch.seconds", "hears no audio");
    } else {
      leave_out(r_.batch.unit == BatchRecipe::Unit::tokens, "batch.tokens", "counts rows (size) or seconds of audio (seconds)");
      const DataRecipe usual;
      for (const auto& [key, column] : {std::pair{"data.text", &DataRecipe::text},
                                        {"data.text_pair", &DataRecipe::text_pair},
                                        {"data.label", &DataRecipe::label},
                                        {"data.id", &DataRecipe::id},
                                        {"data.weight", &DataRecipe::row_weight},
                                        {"data.group", &DataRecipe::group}})
        leave_out(r_.data.*column != usual.*column, key, "has the columns of its corpus in data.audio.columns");
      leave_out(r_.data.format != usual.format, "data.format", "has the format of its corpus in data.audio.corpus");
      leave_out(r_.data.header != usual.header, "data.header", "has numbers in data.audio.columns where a table has no header");
      leave_out(r_.data.max_length != usual.max_length, "data.max_length", "has limits in seconds, data.audio.max_seconds");
    }
    if (r_.task != Task::speech_recognition) {
      leave_out(r_.evaluate.max_rows > 0, "evaluate.max_rows", "transcribes nothing");
      leave_out(r_.evaluate.beams > 0, "evaluate.beams", "transcribes nothing");
      leave_out(!r_.evaluate.words.empty(), "evaluate.words", "transcribes nothing");
      leave_out(r_.evaluate.normalizer != "none", "evaluate.normalizer", "transcribes nothing");
      leave_out(!r_.evaluate.text_rules.empty(), "evaluate.text_rules", "transcribes nothing");
      return;
    }
    leave_out(!r_.data.labels.empty(), "data.labels", "has no classes");
    leave_out(r_.data.multi_label, "data.multi_label", "has no classes");
    if (!r_.evaluate.words.empty() && r_.evaluate.beams == 0)
      at("evaluate.words").refuse("it is for a beam search: set evaluate.beams, or leave it out");
    leave_out(r_.loss.balanced || !r_.loss.class_weights.empty(), "loss.class_weights", "has no classes");
  }

  void loss() const {
    if (r_.loss.class_weights.empty()) return;
    const YamlView view = at("loss.class_weights");
    double largest = r_.loss.class_weights.size() < r_.data.labels.size() ? 1.0 : 0.0;
    for (const auto& [label, weight] : r_.loss.class_weights) {
      largest = std::max(largest, weight);
      if (!r_.data.labels.empty() && std::find(r_.data.labels.begin(), r_.data.labels.end(), label) == r_.data.labels.end())
        view.refuse(fmt::format("'{}' is none of data.labels", label));
    }
    if (largest == 0) view.refuse("every weight is 0: nothing would be learned");
  }

  // Keys of one kind of schedule beside another's name.
  void schedule_keys(const std::string& path, const ScheduleRecipe& schedule) const {
    struct Kind {
      ScheduleKind kind;
      const char* name;
      std::vector<const char*> keys;
    };
    const Kind kinds[] = {{ScheduleKind::slanted_triangular, "slanted_triangular", {"cut_frac", "ratio"}},
                          {ScheduleKind::one_cycle, "one_cycle", {"pct_start", "div", "div_final"}},
                          {ScheduleKind::tri_stage, "tri_stage", {"warmup_part", "hold_part", "initial_scale", "final_scale"}}};
    for (const Kind& kind : kinds) {
      for (const char* key : kind.keys)
        if (schedule.name != kind.kind && given(path + "." + key))
          at(path + "." + key).refuse(fmt::format("belongs to schedule.name: {} alone; leave it out", kind.name));
      for (const char* key : {"warmup_steps", "warmup_epochs", "warmup_ratio"})
        if (schedule.name == kind.kind && given(path + "." + key))
          at(path + "." + key).refuse(fmt::format("{} warms up by {}; leave this key out", kind.name, kind.keys.front()));
    }
    if (schedule.name == ScheduleKind::tri_stage && schedule.warmup_part + schedule.hold_part >= 1)
      at(path + ".name").refuse("warmup_part and hold_part leave nothing to decay over: let their sum be below 1");
  }

  void schedule() const {
    schedule_keys("schedule", r_.schedule);
    const Duration& warmup = r_.schedule.warmup;
    if (r_.thaw.phases.empty() && r_.thaw.preset.empty() && r_.schedule.name <= ScheduleKind::cosine && warmup.unit == r_.length.unit &&
        warmup.value > r_.length.value) {
      const char* const unit = warmup.unit == Duration::Unit::steps ? "steps" : "epochs";
      at(fmt::format("schedule.warmup_{}", unit))
          .refuse(fmt::format("expected at most the run's {} {}, found {}", r_.length.value, unit, warmup.value));
    }
  }

  void one_rate(const std::string& path, bool rates, bool lr, bool decay) const {
    if (rates && lr) at(path + ".rates").refuse(fmt::format("given beside {}.lr: two rates for one parameter; keep one of them", path));
    if (rates && decay) at(path + ".rates").refuse("given beside thaw.layer_decay: two rates for one parameter; keep one of them");
  }

  void thaw() const {
    const bool decay = r_.thaw.layer_decay.convention != Convention::none;
    one_rate("thaw", !r_.thaw.rates.empty(), false, decay);
    if (!r_.thaw.preset.empty()) preset(*find_preset(r_.thaw.preset));
    if (!r_.thaw.fts_schedule.empty()) fts_schedule();
    if (given("thaw.phases") && r_.thaw.phases.empty()) at("thaw.phases").refuse("expected at least one phase, found none");
    if (!r_.thaw.phases.empty()) no_length_beside("thaw.phases");
    for (std::size_t i = 0; i < r_.thaw.phases.size(); ++i) phase(fmt::format("thaw.phases[{}]", i), r_.thaw.phases[i], i);
  }

  // What stands on the command line takes the place of the file's length.
  void no_length_beside(const std::string& phases) const {
    for (const char* key : {"epochs", "steps"})
      if (given(key) && (at(key).from_command_line() || !at(phases).from_command_line()))
        at(key).refuse(fmt::format("given beside {}, whose sum is the run's length; leave it out", phases));
  }

  void preset(const Preset& preset) const {
    const std::string beside = fmt::format("given beside thaw.preset: {}", preset.name);
    no_length_beside("thaw.preset");
    if (given("thaw.phases"))
      at("thaw.phases").refuse(fmt::format("{0}; keep one of them (`thaw recipes show {1}` prints its phases)", beside, preset.name));
    if (!r_.thaw.rates.empty()) at("thaw.rates").refuse(beside + ", whose phases have their own; leave it out");
    if (preset.by_layer && given("thaw.layer_decay")) at("thaw.layer_decay").refuse(beside + ", which has its own; leave it out");
    if (preset.evaluates && r_.data.eval.empty())
      at("thaw.preset").refuse(fmt::format("{} ends its phases by what is measured; add data.eval", preset.name));
    if (preset.lr && !given("optimizer.lr")) r_.optimizer.lr = *preset.lr;
  }

  // `epochs` beside it is the trainer's max_epochs.
  void fts_schedule() const {
    for (const char* key : {"steps", "thaw.preset", "thaw.phases", "thaw.layer_decay", "thaw.rates"})
      if (given(key)) at(key).refuse("given beside thaw.fts_schedule, which says this itself; leave it out");
    if (r_.data.eval.empty())
      at("thaw.fts_schedule").refuse("every phase but the first begins from the best weights so far; add data.eval");
  }

  void phase(const std::string& path, const PhaseRecipe& phase, std::size_t index) const {
    if (phase.trainable.empty()) at(path).refuse("nothing learns in this phase; add trainable: [head], or all");
    one_rate(path, !phase.rates.empty(), phase.lr.has_value(), r_.thaw.layer_decay.convention != Convention::none);
    if (phase.rates.empty() && !r_.thaw.rates.empty() && phase.lr) at(path + ".lr").refuse("given beside thaw.rates; keep one of them");
    const Until& until = phase.until;
    if (!until.epochs && !until.steps && !until.rows && !until.end_epoch)
      at(path).refuse(
          "this phase may never end: add until: {epochs: N}, steps, rows or end_epoch, as its longest length (patience and a metric may "
          "never come)");
    if (phase.schedule) schedule_keys(path + ".schedule", *phase.schedule);
    if (!phase.augment && !hears(r_.task))
      at(path + ".augment").refuse(fmt::format("{} hears no audio; leave this key out", name_of(r_.task)));
    if (r_.data.eval.empty() && (until.patience > 0 || !until.metrics.empty()))
      at(path + ".until").refuse("there is nothing to evaluate on; add data.eval");
    if (phase.restore_best && (index == 0 || r_.data.eval.empty()))
      at(path + ".restore_best")
          .refuse(index == 0 ? "there is no best model yet before the first phase" : "there is nothing to evaluate on; add data.eval");
    for (const auto& [metric, unused] : until.metrics) check_set_of(metric, at(path + ".until." + metric));
  }

  void output_dir() const {
    constexpr std::string_view field = "{seed}";
    for (std::size_t i = r_.output_dir.find(field); i != std::string::npos; i = r_.output_dir.find(field))
      r_.output_dir.replace(i, field.size(), fmt::format("{}", r_.seed));
    if (const std::size_t brace = r_.output_dir.find_first_of("{}"); brace != std::string::npos)
      at("output_dir").refuse(fmt::format("only {{seed}} is filled in, found '{}'", r_.output_dir.substr(brace)));
  }

  const YamlDocument& document_;
  Recipe& r_;
};

}  // namespace

void finish_recipe(const YamlDocument& document, Recipe& recipe) { Checker(document, recipe).run(); }

double read_time(const YamlView& view) {
  constexpr std::string_view expected = "a time such as 3h50m, 90s or 2d (a number and d, h, m or s, largest first)";
  constexpr std::string_view units = "dhms";
  constexpr double seconds[] = {86400, 3600, 60, 1};
  if (!view.is(YamlNode::Kind::scalar)) view.fail(expected);
  const std::string text = view.text();
  double total = 0;
  std::size_t next_unit = 0;
  for (const char *at = text.data(), *end = at + text.size(); at < end;) {
    double number = 0;
    const auto [stop, error] = std::from_chars(at, end, number, std::chars_format::fixed);
    const std::size_t unit = error == std::errc() && stop < end ? units.find(*stop) : std::string_view::npos;
    if (*at == '-' || unit == std::string_view::npos || unit < next_unit || !std::isfinite(number)) view.fail(expected);
    total += number * seconds[unit];
    next_unit = unit + 1;
    at = stop + 1;
  }
  if (!(total > 0 && total < 1e9)) view.fail(expected);
  return total;
}

std::string write_time(double seconds) {
  if (seconds != std::floor(seconds)) return fmt::format("{}s", seconds);
  const auto whole = static_cast<std::int64_t>(seconds);
  std::string text;
  if (whole >= 3600) text += fmt::format("{}h", whole / 3600);
  if (whole / 60 % 60 > 0) text += fmt::format("{}m", whole / 60 % 60);
  if (whole % 60 > 0) text += fmt::format("{}s", whole % 60);
  return text;
}

}  // namespace thaw
