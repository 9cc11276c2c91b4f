// Selectors: words of a recipe for parameters of a model.
//   head, embeddings            those layers           encoder.layer.3      a layer by name
//   all                         everything             encoder.layer.3-5    a range of layers
//   top K                       the K blocks below the head
//   encoder, decoder            of an encoder–decoder all layers of it, the decoder's with the head
//   classifier.weight           a parameter by name    /REGEX/              parameters whose names have a match of it
//   not SELECTOR                takes away what the words before it have chosen: [all, not feature_extractor]
#pragma once

#include <string>
#include <vector>

#include "framework/models/model.h"
#include "framework/thaw/presets.h"

namespace thaw {

// By parameter of the model: whether the selectors, read in their order, mean it. RecipeError, which begins with `where`, for a selector
// that means nothing; the nearest name is in it.
std::vector<bool> select(const Model& model, const std::vector<std::string>& selectors, const std::string& where);

ModelNames names_of(const Model& model);

}  // namespace thaw
