// What one value of a recipe demands of another, once every value alone is right.
#pragma once

#include <string>

#include "framework/base/yaml.h"
#include "framework/train/recipe.h"

namespace thaw {

// Checks what is needed, what excludes what, names that refer to names; fills {seed} into output_dir. Throws RecipeError.
void finish_recipe(const YamlDocument& document, Recipe& recipe);

double read_time(const YamlView& view);  // "3h50m", "90s", "1.5h", "2d" in seconds
std::string write_time(double seconds);

}  // namespace thaw
