// Whisper as a SpeechDecoder: keys and values of the audio computed once a window, those of the text kept as it grows.
// CPU, fp32 or bf16; in bf16 weights and caches are rounded, what is summed stays fp32. The same bits for a sequence whatever
// others are decoded beside it.
// Memory: a window takes 2 × 1500 × width × decoder layers values (tiny 18 MB, base 37 MB, large 492 MB in fp32).
#pragma once

#include <memory>

#include "framework/models/model.h"
#include "framework/tasks/transcription/speech_decoder.h"

namespace thaw {

// From a Whisper loaded with Head::language; copies what it needs of it.
std::unique_ptr<SpeechDecoder> whisper_decoder(const Model& model, at::ScalarType type);

}  // namespace thaw
