// A CTC model (wav2vec 2.0, HuBERT, WavLM), ready to hear: its weights, what its labels spell, how its samples are prepared.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <span>
#include <string>

#include "datasets/audio/normalize.h"
#include "datasets/tokenizers/ctc_vocabulary.h"
#include "framework/models/model.h"
#include "framework/tasks/transcription/ctc_transcription.h"

namespace thaw {

struct CtcModel {
  std::string name;  // its directory
  std::unique_ptr<Model> model;
  std::unique_ptr<CtcVocabulary> vocabulary;
  audio::WaveformConfig waveform;
  FrameLengths lengths;

  // Of the samples of one utterance, at waveform.sample_rate: fp32 [frames, vocabulary].
  at::Tensor log_probs(std::span<const float> samples) const;
  // The model as transcription sees it. Both look at this one, which has to outlive them.
  CtcAcousticModel acoustics() const;
  CtcAlphabet alphabet() const;
};

bool is_ctc_architecture(const std::string& architecture);  // config.json's model_type

// `model`: a directory, or a name in the hub's cache. ModelError for another architecture, for weights that have no CTC head yet, and
// for a vocabulary that does not go with them.
CtcModel open_ctc_model(const std::string& model, at::ScalarType precision);

}  // namespace thaw
