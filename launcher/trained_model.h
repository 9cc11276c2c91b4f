// A fine-tuned model read back from its export (or the run directory that holds one), ready to evaluate or predict.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "framework/comm/communicator.h"
#include "framework/models/model.h"
#include "framework/train/data.h"
#include "framework/train/recipe.h"

namespace thaw {

struct TrainedModel {
  std::filesystem::path directory;  // the export
  Recipe recipe;                    // of the run, where one is known: column names, label separator, precision
  Json config;
  RunData data;  // no rows; recipe.data.max_length is within the model's positions
  std::unique_ptr<Model> model;
};

// A run directory's best/ where there is one, else the place itself.
std::string best_of_run(const std::string& place);

// `place`: a run directory (its best/ is taken), an exported directory, or a hub name.
// On the ranks of `comm` at once, which share what they can and may evaluate it, or by one process alone.
// `overrides`: of the run's recipe, or of the usual one where there is none.
TrainedModel open_trained_model(const std::string& place, const at::Device& device = at::kCPU, Communicator* comm = nullptr,
                                const std::vector<std::string>& overrides = {});

}  // namespace thaw
