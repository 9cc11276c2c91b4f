// What `train` and `plan` begin with: a recipe resolved against its model, then data and model in memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "framework/models/hub.h"
#include "framework/models/registry.h"
#include "framework/train/data.h"
#include "launcher/ranks.h"

namespace thaw {

struct Job {
  Recipe recipe;  // presets written out as phases, max_length within the model's positions, the grain chosen, the metric named
  ModelPlace place;
  bool cut = false;  // max_length was longer than the model can take
  Json config;       // the model's
  // From load_job on:
  RunData data;
  LoadReport report;
  std::unique_ptr<Model> model;
};

// Reads and checks; nothing large is touched. `grain`: one that stands already (of a run that began), 0 to choose. Collective.
Job resolve_job(const std::string& recipe_file, const std::vector<std::string>& overrides, Ranks& ranks,
                const std::function<std::int64_t(const Recipe&)>& grain = {});

// Opens (and where needed shards) the data, loads the model onto this rank's device. Collective.
void load_job(Job& job, Ranks& ranks, const Say& say);

std::string count_of(double value);  // "22.7 M"

}  // namespace thaw
