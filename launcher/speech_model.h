// A pretrained or fine-tuned speech model, ready to transcribe: its decoder, what its tokens mean, its features.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datasets/audio/audio.h"
#include "datasets/audio/log_mel.h"
#include "framework/tasks/transcription/speech_decoder.h"
#include "framework/tasks/transcription/word_times.h"

namespace thaw {

struct SpeechModel {
  std::unique_ptr<SpeechDecoder> decoder;
  WhisperVocabulary vocabulary;
  std::unique_ptr<audio::LogMel> log_mel;
  AttentionHeads heads;  // those that follow the audio
  std::function<TokenIds(const std::string&)> encode;

  // Of the recording and of 30 s of silence after it: fp32 [mels, frames].
  at::Tensor features(const audio::Audio& recording) const;
};

// `model`: a directory, a name in the hub's cache, or a Whisper's own file (.pt, model.bin) with a tokenizer beside it. ModelError for
// any architecture but Whisper.
SpeechModel open_speech_model(const std::string& model, at::ScalarType precision);

}  // namespace thaw
