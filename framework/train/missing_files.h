// Files that transformers reads beside the weights of a model that hears, and that not everybody publishes with them.
#pragma once

#include <map>
#include <string>

#include "framework/train/data.h"

namespace thaw {

// What the directory of a model that hears lacks of what transformers needs to feed it: name and content.
std::map<std::string, std::string> missing_files(const DataModel& model);
// The same of a Whisper that writes: generation_config.json, by which transformers knows its languages, tasks and times.
std::map<std::string, std::string> missing_generation(const Recipe& recipe, const DataModel& model, const Tokenizer& tokenizer);

}  // namespace thaw
