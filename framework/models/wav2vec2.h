// wav2vec 2.0 (Baevski et al. 2020), HuBERT (Hsu et al. 2021) and WavLM (Chen et al. 2021), as transformers' ForCTC and
// ForSequenceClassification of each compute them, on packed rows of waveform at their true lengths: every row gives what
// transformers gives for it alone. (In a padded batch transformers' base models, whose convolutions are normalised over
// time, count the padding.) The stack: feature_extractor, embeddings, encoder.layers.0 …, head. Context::features is
// [samples] or [samples, 1] in fp32, at 16 kHz, each row of zero mean and unit variance where the model was trained so.
// cu_seqlens are in samples; from the first layer's output on in frames, also of the CTC head's [frames, vocabulary].
#pragma once

#include <memory>

#include "framework/models/head.h"
#include "framework/models/model.h"

namespace thaw {

std::unique_ptr<Model> build_wav2vec2(const JsonView& config, const HeadSpec& head);
std::unique_ptr<Model> build_hubert(const JsonView& config, const HeadSpec& head);
std::unique_ptr<Model> build_wavlm(const JsonView& config, const HeadSpec& head);

}  // namespace thaw
