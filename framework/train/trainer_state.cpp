// A trainer's state, given to a checkpoint and taken from it.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>

#include "framework/base/error.h"
#include "framework/base/machine.h"
#include "framework/train/trainer.h"

namespace thaw {

Json Trainer::made_with() const {
  static const std::string cpu = this_machine().cpu + ", " + at::get_cpu_capability();  // read once, not at every checkpoint
  Json made{{"version", THAW_VERSION}, {"ranks", parts_.comm->size()}, {"threads", at::get_num_threads()}, {"cpu", cpu}};
  for (const auto* const sets : {&parts_.data.train, &parts_.data.eval})
    for (const DataSet& set : *sets) made["data"].push_back({set.name, set.shards->fingerprint()});
  return made;
}

void Trainer::compare_made_with(const Json& before, bool forked) {
  const Json now = made_with();
  for (std::size_t i = 0; !forked && i < now["data"].size(); ++i)
    if (i >= before.at("data").size() || before["data"][i] != now["data"][i])
      throw DataError(
          "{}: the checkpoint was made with other rows of this set: bring them back, choose another output_dir, or go on with "
          "these by --fork",
          now["data"][i][0].get<std::string>());
  if (!parts_.recipe.reproducible) return;
  if (before.at("threads") != now["threads"]) {
    at::set_num_threads(before["threads"]);
    parts_.telemetry.say(fmt::format("threads    {} a rank, as the run began with: bits may depend on it", before["threads"].get<int>()));
  }
  if (before.at("cpu") != now["cpu"])
    parts_.telemetry.say(
        fmt::format("warning    the checkpoint is of another kind of processor ({}; this is {}): bits may differ from here on",
                    before["cpu"].get<std::string>(), now["cpu"].get<std::string>()));
}

State Trainer::state() const {
  State state;
  state.values["made_with"] = made_with();
  if (!done()) merge(state, "optimizer", optimizer_->state());
  merge(state, "kept", kept_);
  for (const Parameter& parameter : parts_.model.parameters) {
    const auto add = [&](const std::string& name, const at::Tensor& tensor) {
      state.tensors[name] = tensor;
      if (parameter.mapped && tensor.is_alias_of(parameter.value)) state.mapped.insert(name);
    };
    add("model/" + parameter.name, parameter.value);
    if (const auto best = best_weights_.find(parameter.name); best != best_weights_.end()) add("best/" + parameter.name, best->second);
  }
  state.values["cursor"] = {{"step", cursor_.step}, {"epoch", cursor_.at.epoch}, {"step_in_epoch", cursor_.at.step}};
  state.values["best"] = {{"metric", outcome_.metric},
                          {"value", outcome_.best},
                          {"step", outcome_.best_step},
                          {"evaluations_without_gain", evaluations_without_gain_}};
  state.values["spent"] = {{"train_s", outcome_.train_s}, {"rows", outcome_.rows}, {"tokens", outcome_.tokens}};
  state.values["phase"] = {{"number", phase_.number},
                           {"start_epoch", phase_.start.epoch},
                           {"start_step", phase_.start.step},
                           {"kept", !done() && cache_.keeps(kept_layer(phase_.number))},
                           {"steps", phase_.steps},
                           {"rows", phase_.rows},
                           {"tokens", phase_.tokens},
                           {"train_s", phase_.train_s},
                           {"comm_bytes", phase_.comm_bytes},
                           {"best", phase_.best},
                           {"evaluations", phase_.evaluations},
                           {"evaluations_without_gain", phase_.evaluations_without_gain}};
  state.values["epoch_ended"] = epoch_ended_;
  state.values["evaluation_due"] = evaluation_due_;
  state.values["divergence"] = divergence_.state();
  state.values["ended_phases"] = outcome_.phases;
  state.values["last_evaluation"] = outcome_.last;
  return state;
}

// Of what any number of ranks have kept, this rank's part.
State Trainer::own_moments(const State& loaded) const {
  State own;
  if (!loaded.values.contains("steps")) return own;
  own.values["steps"] = Json::object();
  for (const Parameter& p : parts_.model.parameters) {
    const Slice slice = optimizer_->slice(p.value);
    for (const std::string& name : {"m/" + p.name, "v/" + p.name}) {
      const at::Tensor moments = elements_of(loaded, name, slice.begin, slice.end);
      if (!moments.defined() || !loaded.values["steps"].contains(p.name)) continue;
      own.tensors[name] = moments.to(p.value.device());
      own.values["steps"][p.name] = loaded.values["steps"][p.name];
      if (optimizer_->shares()) own.pieces[name] = slice.begin;
      else own.tensors[name] = own.tensors[name].view(p.value.sizes());
    }
  }
  return own;
}

void Trainer::load(const State& state, bool forked) {
  const at::NoGradGuard no_grad;
  compare_made_with(state.values.at("made_with"), forked);
  for (Parameter& parameter : parts_.model.parameters) {
    const auto found = state.tensors.find("model/" + parameter.name);
    if (found == state.tensors.end() || found->second.sizes() != parameter.value.sizes())
      throw ModelError("the checkpoint lacks {} in its shape: it is of another model; choose another output_dir", parameter.name);
    parameter.set(found->second);
    if (const auto best = state.tensors.find("best/" + parameter.name); best != state.tensors.end())
      best_weights_[parameter.name] = parameter.kept(best->second).to(parameter.value.device());
    for (const char* of : {"model/", "best/"})  // a whole model more than this rank needs
      if (state.mapped.contains(of + parameter.name)) release_mapped(state.tensors.at(of + parameter.name));
  }
  const Json &cursor = state.values.at("cursor"), &best = state.values.at("best"), &spent = state.values.at("spent"),
             &phase = state.values.at("phase");
  outcome_.best = best.at("value");
  outcome_.best_step = best.at("step");
  evaluations_without_gain_ = best.at("evaluations_without_gain");
  outcome_.train_s = spent.at("train_s");
  outcome_.rows = spent.at("rows");
  outcome_.tokens = spent.at("tokens");
  outcome_.phases = state.values.at("ended_phases").get<std::vector<Json>>();
  outcome_.last = state.values.at("last_evaluation").get<Metrics>();
  outcome_.last_checkpoint = cursor.at("step");
  epoch_ended_ = state.values.at("epoch_ended");
  evaluation_due_ = state.values.at("evaluation_due");
  divergence_.load(state.values.at("divergence"));

  phase_.number = phase.at("number");
  if (phase_.number > plan_.phases.size() || (forked && phase_.number == plan_.phases.size() && phase_.number > 0))
    throw RecipeError("{}: the checkpoint has {} phases behind it, and the recipe no further one to go on with",
                      parts_.recipe.file.string(), phase_.number);
  if (!done()) {
    cursor_.at = {phase.at("start_epoch"), phase.at("start_step")};
    kept_ = own_moments(part(state, "kept"));
    enter_phase(phase.at("kept").get<bool>() ? Kept::filled : Kept::no);  // a row has the bits that it would have had
    optimizer_->load(part(state, "optimizer"), /*all=*/!forked);
  }
  cursor_ = {cursor.at("step"), {cursor.at("epoch"), cursor.at("step_in_epoch")}};
  phase_.steps = phase.at("steps");
  phase_.rows = phase.at("rows");
  phase_.tokens = phase.at("tokens");
  phase_.train_s = phase.at("train_s");
  phase_.comm_bytes = phase.at("comm_bytes");
  phase_.best = phase.at("best");
  phase_.evaluations = phase.at("evaluations");
  phase_.evaluations_without_gain = phase.at("evaluations_without_gain");
}

}  // namespace thaw
