#include "framework/thaw/fts_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "framework/base/error.h"
#include "framework/base/expression.h"
#include "framework/base/file.h"
#include "framework/base/yaml.h"

namespace thaw {
namespace {

struct FtsPhase {
  std::vector<std::string> selectors;
  std::optional<std::int64_t> end_epoch;
  double lr = 0;
};

class FtsReader {
 public:
  FtsReader(const YamlDocument& document, const ModelNames& model, const FtsRun& run) : document_(document), model_(model), run_(run) {}

  std::vector<FtsPhase> phases() {
    std::map<std::int64_t, YamlView> by_number;
    for (const auto& [key, view] : document_.view().entries()) {
      std::int64_t number = -1;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
      if (error != std::errc() || end != key.data() + key.size() || number < 0)
        view.refuse(fmt::format("expected the number of a phase, from 0, found {}", key));
      by_number.emplace(number, view);
    }
    if (by_number.empty()) throw RecipeError("{}: expected phases 0, 1, …, found none", document_.name());
    std::vector<FtsPhase> phases;
    for (const auto& [number, view] : by_number) {
      if (number != static_cast<std::int64_t>(phases.size()))
        view.refuse(fmt::format("expected phase {} here: phases are numbered from 0, without gaps", phases.size()));
      phases.push_back(phase(view, phases.empty(), phases.size() + 1 == by_number.size()));
    }
    return phases;
  }

 private:
  FtsPhase phase(const YamlView& view, bool first, bool last) {
    for (const auto& [key, value] : view.entries()) {
      if (key == "new_optimizer" || key == "new_lr_scheduler")
        value.refuse(
            "one run has one optimizer and no torch schedulers here; leave it out, or write the phases as thaw.phases, each with a "
            "schedule: {name: …} of its own");
      if (key != "params" && key != "max_transition_epoch" && key != "lr")
        value.refuse("unknown key; the keys of a phase are params, max_transition_epoch and lr");
    }
    FtsPhase phase;
    if (!view["params"].given()) view.refuse("expected the key params, which is missing");
    for (const YamlView& name : view["params"].items()) phase.selectors.push_back(selector(name));
    if (phase.selectors.empty()) view["params"].refuse("nothing is thawed in this phase; name parameters");
    end(view["max_transition_epoch"], view, last, phase);

    phase.lr = first ? run_.lr : 1e-5;
    const YamlView lr = view["lr"];
    if (lr.given() && first) lr.refuse("the fine-tuning scheduler passes this over: the rate of phase 0 is optimizer.lr; leave it out");
    if (lr.given()) phase.lr = lr.number();
    if (phase.lr <= 0) lr.fail("a number above 0");
    return phase;
  }

  void end(const YamlView& given, const YamlView& phase, bool last, FtsPhase& out) const {
    const std::int64_t epoch = given.given() ? given.integer() : -1;
    if (epoch < -1 || epoch == 0) given.fail("an epoch of 1 or more, or -1 for none");
    if (epoch > 0) out.end_epoch = epoch;
    if (!out.end_epoch && !last && run_.patience == 0)
      phase.refuse("this phase has no end: add max_transition_epoch, or evaluate.patience to the recipe");
  }

  // A parameter must be thawed once.
  std::string selector(const YamlView& view) {
    const std::string word = view.text();
    for (const std::string& name : {word, without_module(word)})
      if (std::find(model_.parameters.begin(), model_.parameters.end(), name) != model_.parameters.end()) {
        thaw(name, view);
        return name;
      }
    for (const std::string& expression : {word, without_module(word)}) {
      bool any = false;
      try {
        const Expression compiled(expression);
        for (const std::string& name : model_.parameters) {
          if (!compiled.begins(name)) continue;
          thaw(name, view);
          any = true;
        }
      } catch (const BadExpression& error) {
        view.refuse(fmt::format("'{}' is neither a parameter nor a regular expression: {}", word, error.what()));
      }
      if (any) return fmt::format("/^(?:{})/", expression);
    }
    view.refuse(fmt::format("'{}' matches no parameter; they have names such as {}", word, model_.parameters.back()));
  }

  static std::string without_module(const std::string& word) {
    for (const std::string_view module : {"model\\.", "model."})
      if (word.starts_with(module)) return word.substr(module.size());
    return word;
  }

  void thaw(const std::string& name, const YamlView& view) {
    const auto [at, is_new] = thawed_.emplace(name, view.where());
    if (!is_new) view.refuse(fmt::format("{} is thawed already, by {}; let each parameter be in one phase", name, at->second));
  }

  const YamlDocument& document_;
  const ModelNames& model_;
  const FtsRun& run_;
  std::map<std::string, std::string> thawed_;  // parameter → where
};

}  // namespace

std::vector<PhaseRecipe> read_fts_schedule(const std::filesystem::path& file, const ModelNames& model, const FtsRun& run) {
  const YamlDocument document(file.string(), read_file(file));
  const std::vector<FtsPhase> phases = FtsReader(document, model, run).phases();
  std::int64_t latest = 0;
  for (const FtsPhase& phase : phases) latest = std::max(latest, phase.end_epoch.value_or(0));
  const auto end_of_run = std::max(latest, static_cast<std::int64_t>(std::ceil(run.epochs)));
  if (phases.size() > 1 && !phases.back().end_epoch && end_of_run == latest)
    throw RecipeError("{}: the last phase would have no epoch: the run ends with epoch {}, as does a phase before it; raise epochs",
                      file.string(), end_of_run);

  std::vector<PhaseRecipe> out;
  PhaseRecipe learning;  // grows
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const bool last = i + 1 == phases.size();
    for (const std::string& selector : phases[i].selectors) {
      learning.trainable.push_back(selector);
      learning.rates.emplace_back(selector, phases[i].lr);
    }
    learning.until.end_epoch = last ? end_of_run : phases[i].end_epoch.value_or(end_of_run);
    learning.until.patience = run.patience;
    learning.restore_best = i > 0;
    out.push_back(learning);
    PhaseRecipe& phase = out.back();
    const double lr = phase.rates.front().second;
    if (std::any_of(phase.rates.begin(), phase.rates.end(), [&](const auto& rate) { return rate.second != lr; })) continue;
    phase.rates.clear();
    if (i > 0) phase.lr = lr;
  }
  return out;
}

}  // namespace thaw
