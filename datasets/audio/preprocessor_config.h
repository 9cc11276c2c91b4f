// The feature extractor's part of a model directory: preprocessor_config.json, or what newer versions of transformers write,
// processor_config.json with the same under "feature_extractor". Where the directory has neither, every default holds.
// A value of another kind or outside its range is a ModelError with file and key.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "framework/base/json.h"

namespace thaw::audio {

class PreprocessorConfig {
 public:
  // `types`: the values of feature_extractor_type that the caller knows; the key may be missing.
  PreprocessorConfig(const std::filesystem::path& model_directory, std::initializer_list<std::string_view> types);

  bool has(std::string_view key) const { return view_ && view_->has(key); }
  std::int64_t integer_or(std::string_view key, std::int64_t otherwise, std::int64_t least, std::int64_t most) const;
  double number_or(std::string_view key, double otherwise, double least, double most) const;
  bool boolean_or(std::string_view key, bool otherwise) const;

 private:
  std::optional<JsonFile> file_;
  std::optional<JsonView> view_;
};

}  // namespace thaw::audio
