// A pretrained model as it lies on a disk, under the hub's names and keys, in whatever format it was published: a hub directory
// (config.json beside the weights), or Whisper as OpenAI (.pt) or CTranslate2 (model.bin) store it.
#pragma once

#include <filesystem>

#include "framework/base/json.h"
#include "framework/models/whisper_names.h"

namespace thaw {

// A directory, or a Whisper's own file. Nothing of the weights is read but their headers. ModelError, FileError.
HubModel open_pretrained(const std::filesystem::path& path);

}  // namespace thaw
