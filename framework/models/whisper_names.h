// Whisper as OpenAI publishes it (tiny.en.pt: `dims` and `model_state_dict`) and as CTranslate2 stores it (model.bin: WhisperSpec), seen
// under the hub's names and with the hub's config.json, so that one architecture reads all three.
// Sources: openai-whisper's whisper/model.py; ctranslate2's specs/whisper_spec.py and converters/transformers.py (WhisperLoader);
// names and keys as in transformers' WhisperForConditionalGeneration and WhisperConfig.
#pragma once

#include <optional>

#include "framework/base/json.h"
#include "framework/tensor/weights.h"

namespace thaw {

struct HubModel {
  Json config;      // as in a hub directory's config.json
  Weights weights;  // under the hub's names
};

// Nothing where the weights are neither. Shapes are the hub's: CTranslate2's fused projections are cut into theirs, the zeros that it
// adds for the bias of keys are left out, and the output's weights, which are the embedding's, stand once. Tensors of the file that have
// no place in Whisper keep their names. ModelError where one is missing, or where a setting is not Whisper's.
std::optional<HubModel> whisper_under_hub_names(const Weights& weights);

}  // namespace thaw
