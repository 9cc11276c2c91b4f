// config.json of wav2vec 2.0, HuBERT and WavLM as a struct. Included by the sources that build their layers.
#pragma once

#include <string>

#include "framework/models/frame_lengths.h"
#include "framework/models/head.h"
#include "framework/models/spec_augment.h"
#include "framework/nn/ops.h"

namespace thaw {

struct Wav2Vec2Config {
  std::string architecture;  // model_type
  std::string prefix;        // of the trunk's names: "wav2vec2."
  std::int64_t width, layers, heads, inner, projection;
  double eps, hidden_dropout, attention_dropout, activation_dropout, features_dropout, final_dropout, layer_drop;
  bool norm_first;  // do_stable_layer_norm: the large models
  Activation activation, convolution_activation;
  // The convolutions; feat_extract_norm: over time, of the lowest alone (base), or over channels, of each (large).
  std::vector<std::int64_t> channels;
  FrameLengths convolutions;
  bool convolution_bias, norms_over_time, normed_features;
  std::int64_t position_kernel, position_groups;
  SpanMask time_mask, feature_mask;
  // WavLM's: num_buckets and max_bucket_distance; 0 in the others
  std::int64_t buckets = 0, bucket_distance = 0;
};

// DataError where a value is no such, or asks for what is not built. `prefix` is the architecture's.
Wav2Vec2Config read_wav2vec2_config(const JsonView& json, const HeadSpec& head, const std::string& architecture);

}  // namespace thaw
