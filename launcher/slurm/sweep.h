// A sweep: `lr=1e-5,2e-5 seed=1..5` as the runs of its cross product, each with its own output_dir.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/train/recipe.h"

namespace thaw {

struct SweepAxis {
  std::string key;                  // whole: optimizer.lr
  std::vector<std::string> values;  // YAML
};

// "key=a,b,c", or "key=1..5" for whole numbers, or both mixed; commas inside brackets and quotes belong to a value. A key's last
// word alone (`lr`) stands for the one key that ends so. UsageError (64) where it is not of this form, or the word could be
// several keys; a key that nobody knows is left for the recipe to refuse, which knows the nearest one.
SweepAxis parse_axis(const std::string& text);

struct SweptRun {
  std::vector<std::string> overrides;  // key=value, in the axes' order, and the output_dir
  std::string output_dir;
};

// The runs in order, the last axis changing fastest. Where {seed} does not already tell them apart, `-lr=1e-5` is added to the
// recipe's output_dir. Every run's recipe is read and checked: RecipeError (65) as read_recipe has it.
std::vector<SweptRun> plan_sweep(const std::filesystem::path& recipe, const std::vector<std::string>& overrides,
                                 const std::vector<SweepAxis>& axes);

}  // namespace thaw
