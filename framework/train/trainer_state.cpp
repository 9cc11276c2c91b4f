// A trainer's state, given to a checkpoint and taken from it.
#include <ATen/core/grad_mode.h>

#include "framework/base/error.h"
#include "framework/train/trainer.h"

namespace thaw {

State Trainer::state() const {
  State state;
  if (!done()) merge(state, "optimizer", optimizer_->state());
  merge(state, "kept", kept_);
  for (const Parameter& parameter : parts_.model.parameters) state.tensors["model/" + parameter.name] = parameter.value;
  for (const auto& [name, value] : best_weights_) state.tensors["best/" + name] = value;
  state.values["cursor"] = {{"step", cursor_.step}, {"epoch", cursor_.at.epoch}, {"step_in_epoch", cursor_.at.step}};
  state.values["best"] = {{"metric", outcome_.metric},
                          {"value", outcome_.best},
                          {"step", outcome_.best_step},
                          {"evaluations_without_gain", evaluations_without_gain_}};
  state.values["spent"] = {{"train_s", outcome_.train_s}, {"rows", outcome_.rows}, {"tokens", outcome_.tokens}};
  state.values["phase"] = {{"number", phase_.number},
                           {"start_epoch", phase_.start.epoch},
                           {"start_step", phase_.start.step},
                           {"kept", !done() && cache_.keeps(planned().frontier)},
                           {"steps", phase_.steps},
                           {"rows", phase_.rows},
                           {"tokens", phase_.tokens},
                           {"train_s", phase_.train_s},
                           {"comm_bytes", phase_.comm_bytes},
                           {"best", phase_.best},
                           {"evaluations", phase_.evaluations},
                           {"evaluations_without_gain", phase_.evaluations_without_gain}};
  state.values["ended_phases"] = outcome_.phases;
  state.values["last_evaluation"] = outcome_.last;
  return state;
}

void Trainer::load(const State& state) {
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : parts_.model.parameters) {
    const auto found = state.tensors.find("model/" + parameter.name);
    if (found == state.tensors.end() || found->second.sizes() != parameter.value.sizes())
      throw ModelError("the checkpoint lacks {} in its shape: it is of another model; choose another output_dir", parameter.name);
    parameter.set(found->second);
    if (const auto best = state.tensors.find("best/" + parameter.name); best != state.tensors.end())
      best_weights_[parameter.name] = best->second.clone();
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

  phase_.number = phase.at("number");
  if (!done()) {
    cursor_.at = {phase.at("start_epoch"), phase.at("start_step")};
    kept_ = part(state, "kept");
    for (auto& [name, moment] : kept_.tensors) moment = moment.to(parts_.model.device(), false, /*copy=*/true);  // written into later
    enter_phase(phase.at("kept").get<bool>() ? Kept::filled : Kept::no);  // a row has the bits that it would have had
    optimizer_->load(part(state, "optimizer"));
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
