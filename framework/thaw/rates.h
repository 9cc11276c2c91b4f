// The rate and weight decay of every parameter. With L blocks, and group 0 the embeddings (all layers below the blocks), 1…L the blocks, L + 1 the head,
// a convention gives group g the factor
//   beit        decay^(L+1−g)                 BEiT, timm (there `layer_decay`); default 0.9
//   few_sample  decay^(L+1−g), no weight decay on head and pooler (Zhang et al. 2021); default 0.95
//   electra     head 1, else decay^(L+2−g) (Clark et al. 2020); default 0.8
//   sun         head 1, blocks decay^(L−g), embeddings as the lowest block (Sun et al. 2019); default 0.95
//   ulmfit      decay^−(L+1−g): each group's rate is that of the one above, divided (Howard and Ruder 2018); default 2.6
#pragma once

#include <string>
#include <vector>

#include "framework/models/model.h"
#include "framework/thaw/thaw_recipe.h"

namespace thaw {

double layer_factor(const LayerDecay& decay, int group, int blocks);  // at least decay.min_scale

struct ParameterRate {
  double lr = 0;       // where the schedule's factor is 1
  bool decays = true;  // takes optimizer.weight_decay
};

// By parameter of the model; those that do not learn get a rate of 0. `rates`, where there are any, name the rate of every
// learning parameter exactly once: one that has none or two is a RecipeError at `where` which names it.
std::vector<ParameterRate> rates_of(const Model& model, const std::vector<bool>& learning, double lr, const LayerDecay& decay,
                                    const Rates& rates, const std::string& where);

}  // namespace thaw
