// Published ways of thawing, by name, written out as the phases of a recipe: what `thaw.preset` stands for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "framework/thaw/thaw_recipe.h"

namespace thaw {

// The names that a model gives its parts. The lowest layer is "embeddings", the highest "head", in every model.
struct ModelNames {
  std::vector<std::string> blocks;                 // the layers between, lowest first
  std::vector<std::string> parameters;             // as on the hub
  std::string convolutions = "feature_extractor";  // the layer that reads sound
};
ModelNames numbered_blocks(int blocks);  // "encoder.layer.0" …, without parameters

struct Preset {
  const char* name;
  const char* summary;              // one line
  std::vector<const char*> source;  // lines: where the values are from, and what a recipe cannot say of it
  std::optional<double> lr = {};    // the published base rate where its rates are multiples of one: optimizer.lr's default
  bool by_layer = false;            // has rates by layer of its own
  bool evaluates = false;           // its phases end or begin by evaluations: it needs data.eval
};

const std::vector<Preset>& presets();
const Preset* find_preset(const std::string& name);      // null where there is none
std::string advice_on_presets(const std::string& name);  // of one that does not exist: the list, and the nearest

// `lr`: optimizer.lr, of which rates are multiples where Preset::lr is one. The name must be known.
ThawRecipe preset(const std::string& name, const ModelNames& model, double lr);

}  // namespace thaw
