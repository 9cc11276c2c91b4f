// Where a model is: a directory, or a name looked up offline in the Hugging Face hub's cache.
#pragma once

#include <filesystem>
#include <string>

namespace thaw {

struct ModelPlace {
  std::filesystem::path directory;
  std::string name;      // as the recipe said
  std::string revision;  // the commit; empty for a plain directory
};

// `model`: a directory with config.json (or a Whisper's .pt or model.bin), or org/name[@revision] (a branch, a tag or a whole commit; default main) in
// $HF_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub or ~/.cache/huggingface/hub. What is missing is an error
// (66) with the one command to run where there is a network.
ModelPlace find_model(const std::string& model);

}  // namespace thaw
