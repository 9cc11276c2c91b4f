// Schedule files of Lightning's fine-tuning scheduler (finetuning-scheduler 2.14 on PyPI), read as they are:
//   0: {params: [model.classifier.*], max_transition_epoch: 1}
//   1: {params: [model.bert.pooler.dense.weight, …], lr: 1e-6}
// Phase k learns its params beside those of all phases before it. A name is a parameter's, else a regular expression that
// matches from the name's beginning (Python's re.match); a LightningModule's `model.` before it is left out.
#pragma once

#include <filesystem>
#include <vector>

#include "framework/thaw/presets.h"

namespace thaw {

// What stands in the trainer and its callbacks there, and in the recipe here.
struct FtsRun {
  double lr = 0;              // of phase 0; a later phase without `lr` has 1e-5, the scheduler's base_max_lr
  double epochs = 0;          // max_epochs: where the last phase ends, unless its max_transition_epoch is later
  std::int64_t patience = 0;  // FTSEarlyStopping's; 0: phases end at their max_transition_epoch alone (epoch_transitions_only)
};

// Each phase ends at its max_transition_epoch, counted from the run's beginning, or by patience, and each but the first
// begins from the best weights so far. RecipeError "FILE:LINE: …" for what cannot be done as it says.
std::vector<PhaseRecipe> read_fts_schedule(const std::filesystem::path& file, const ModelNames& model, const FtsRun& run);

}  // namespace thaw
