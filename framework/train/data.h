// The data of a run: shard sets opened (or sharded on the way), labels numbered alike everywhere, how the model is fed with rows,
// and what it is to learn from them.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "datasets/tokenizers/tokenizer.h"
#include "framework/base/json.h"
#include "framework/comm/communicator.h"
#include "framework/tasks/classification.h"
#include "framework/train/inputs/inputs.h"
#include "framework/train/objectives/objective.h"
#include "framework/train/recipe.h"

namespace thaw {

// The model that the data is for, as far as data depends on it.
struct DataModel {
  std::filesystem::path directory;
  Json config;
  bool is(const char* architecture) const { return config.value("model_type", "") == architecture; }
};

struct RunData {
  Problem problem = Problem::single_label;
  std::vector<std::string> labels;  // names by number; empty for regression and speech recognition
  std::vector<DataSet> train, eval;
  std::shared_ptr<const Tokenizer> tokenizer;  // none where audio is classified
  std::map<std::string, std::string> files;    // that an export needs and the model's directory lacks: name and content
  bool short_rows = false;                     // a Whisper's encoder runs at a row's own length
  std::shared_ptr<const Inputs> inputs;
  std::shared_ptr<const Objective> objective;
  bool recognises() const { return labels.empty() && inputs != nullptr && inputs->hears(); }  // speech
};

Problem problem_of(const Recipe& recipe);

// Opens the recipe's sources; a source that is not sharded yet is first, by all ranks, into the cache. Collective.
// A label that neither the recipe nor the training data has is a DataError naming the row (of shards: the set) and the label.
// `say` gets what people should know of how files were read, on rank 0.
using Say = std::function<void(const std::string& line)>;
RunData open_data(const Recipe& recipe, const DataModel& model, Communicator& comm, const Say& say);

// The same for a model that was fine-tuned, without sets: `labels` stand, and the tokenizer is the model's.
RunData data_of_model(const Recipe& recipe, const DataModel& model, const std::vector<std::string>& labels);

// One more set of such data: `thaw eval --data`. Collective.
DataSet open_set(const std::string& name, const std::string& path, const Recipe& recipe, const RunData& data, const DataModel& model,
                 Communicator& comm, const Say& say);

}  // namespace thaw
