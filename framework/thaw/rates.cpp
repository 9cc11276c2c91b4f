#include "framework/thaw/rates.h"

#include <algorithm>
#include <cmath>

#include "framework/base/error.h"
#include "framework/thaw/selection.h"

namespace thaw {
namespace {

// Which of `rates` is the parameter's: exactly one.
void set_explicit_rates(const Model& model, const std::vector<bool>& learning, const Rates& rates, const std::string& where,
                        std::vector<ParameterRate>& out) {
  std::vector<const std::string*> given(model.parameters.size());
  for (const auto& [selector, lr] : rates) {
    const std::vector<bool> meant = select(model, {selector}, where);
    for (std::size_t i = 0; i < meant.size(); ++i) {
      if (!meant[i]) continue;
      if (given[i] != nullptr)
        throw RecipeError("{}: {} has two rates, by '{}' and by '{}'; let the selectors not overlap", where, model.parameters[i].name,
                          *given[i], selector);
      given[i] = &selector;
      if (learning[i]) out[i].lr = lr;
    }
  }
  for (std::size_t i = 0; i < given.size(); ++i)
    if (learning[i] && given[i] == nullptr)
      throw RecipeError("{}: {} learns, but no selector here gives it a rate; add one, such as '{}'", where, model.parameters[i].name,
                        model.layers[static_cast<std::size_t>(model.parameters[i].group)].name);
}

}  // namespace

double layer_factor(const LayerDecay& recipe, int group, int blocks) {
  const double decay = recipe.decay > 0 ? recipe.decay : default_decay(recipe.convention);
  const int below_head = blocks + 1 - group;  // 0: the head
  double factor = 1;
  switch (recipe.convention) {
    case Convention::none: return 1;
    case Convention::beit:
    case Convention::few_sample: factor = std::pow(decay, below_head); break;
    case Convention::electra: factor = below_head == 0 ? 1 : std::pow(decay, below_head + 1); break;
    case Convention::sun: factor = below_head == 0 ? 1 : std::pow(decay, blocks - std::max(group, 1)); break;
    case Convention::ulmfit: factor = std::pow(decay, -below_head); break;
  }
  return std::max(factor, recipe.min_scale);
}

std::vector<ParameterRate> rates_of(const Model& model, const std::vector<bool>& learning, double lr, const LayerDecay& decay,
                                    const Rates& rates, const std::string& where) {
  std::vector<ParameterRate> out(model.parameters.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Parameter& parameter = model.parameters[i];
    const bool in_head = parameter.group == model.head();
    out[i].decays = parameter.decays() && !(in_head && decay.convention == Convention::few_sample);
    if (learning[i] && rates.empty())
      out[i].lr = lr * layer_factor(decay, std::max(0, parameter.group - model.first_block + 1), model.blocks());
  }
  if (!rates.empty()) set_explicit_rates(model, learning, rates, where, out);
  return out;
}

}  // namespace thaw
