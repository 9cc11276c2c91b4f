// Export: a model directory in the hub's layout, which transformers loads as it is.
#pragma once

#include <filesystem>

#include "framework/models/model.h"
#include "framework/train/data.h"

namespace thaw {

// In config.json of a Whisper that was fine-tuned with speech.short_rows, for whoever runs it next; others pass over it.
inline constexpr const char* short_rows_key = "thaw_short_rows";

// Writes config.json (the original, with labels, problem_type and architectures), model.safetensors (fp32) and copies the
// tokenizer's files from `source`. Built beside `destination` and renamed over it.
void export_model(const Model& model, const RunData& data, std::int64_t max_length, const std::filesystem::path& source,
                  const std::filesystem::path& destination);

}  // namespace thaw
