// A CTC model (wav2vec 2.0, HuBERT, WavLM, or a Whisper that was taught to spell), ready to hear: its weights, what its labels spell,
// what it reads of samples.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <span>
#include <string>

#include "datasets/tokenizers/ctc_vocabulary.h"
#include "framework/base/json.h"
#include "framework/models/frame_lengths.h"
#include "framework/models/model.h"
#include "framework/tasks/transcription/ctc_transcription.h"
#include "framework/tasks/transcription/ctc_word_times.h"
#include "framework/train/inputs/audio_inputs.h"

namespace thaw {

struct CtcModel {
  std::string name;  // its directory
  std::unique_ptr<Model> model;
  std::unique_ptr<CtcVocabulary> vocabulary;
  std::unique_ptr<AudioInputs> inputs;
  int sample_rate = 16000;
  FrameLengths lengths;
  double longest_s = 35;  // that it hears at once: that of LibriSpeech, which most are fine-tuned on; of Whisper its window
  bool cuts = false;      // what is longer than that: the end of it is not heard

  // Of the samples of one utterance: fp32 [frames, vocabulary].
  at::Tensor log_probs(std::span<const float> samples) const;
  // The model as transcription sees it. All look at this one, which has to outlive them.
  CtcAcousticModel acoustics() const;
  CtcAlphabet alphabet() const;
  CtcSpelling spelling() const;
};

bool hears_by_ctc(const Json& config);  // of a model's config.json

// The text in capitals or small letters, where the vocabulary spells more of it so.
std::string in_case_of(const CtcVocabulary& vocabulary, const std::string& text);

// `model`: a directory, or a name in the hub's cache. ModelError for another architecture, for weights that have no CTC head yet, and
// for a vocabulary that does not go with them.
CtcModel open_ctc_model(const std::string& model, at::ScalarType precision);

}  // namespace thaw
