// Keys that nobody knows: named with the word that Thaw uses for what other trainers call otherwise, else the nearest key.
#pragma once

#include "framework/base/yaml.h"

namespace thaw {

// Throws one RecipeError with a line for each unknown key of `document`; call it after every known key was asked for.
void refuse_unknown_keys(const YamlDocument& document);

}  // namespace thaw
