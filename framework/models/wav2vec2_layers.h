// The layers of wav2vec 2.0, HuBERT and WavLM, lowest first. Included by the sources that build them.
#pragma once

#include <functional>

#include "framework/models/declare.h"
#include "framework/models/wav2vec2_config.h"

namespace thaw {

// [samples] → [frames, channels]: the convolutions, in evaluation mode as in training. Takes a row at a time: what lies
// between the convolutions is a hundred times as large as what comes out.
Layer wav2vec2_feature_extractor(Model& model, const Wav2Vec2Config& config);

// The projection to the model's width, SpecAugment's masks, and the convolution that tells positions.
Layer wav2vec2_embeddings(Model& model, const Wav2Vec2Config& config);

// A block of the encoder. `table`: see wavlm_attention.h.
Layer wav2vec2_block(Model& model, const Wav2Vec2Config& config, int index, Parameter*& table);

// CTC: dropout and a linear layer over frames. Classification: a linear layer, the mean over frames, another.
Layer wav2vec2_head(Model& model, const Wav2Vec2Config& config, const HeadSpec& head);

// x: [tokens, width] → the same.
using SelfAttention = std::function<at::Tensor(const at::Tensor& x, const Packed& in, const Context& context)>;

struct Projections {
  Linear key, value, query, out;
};
Projections declare_projections(const Declare& declare, const Wav2Vec2Config& config);

}  // namespace thaw
