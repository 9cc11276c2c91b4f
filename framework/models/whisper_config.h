// config.json of a Whisper, as the hub has it; every value is checked. A wrong one is a DataError that names file, key, expected, found.
#pragma once

#include <cstdint>

#include "framework/base/json.h"
#include "framework/nn/ops.h"

namespace thaw {

struct WhisperConfig {
  struct Side {  // encoder or decoder
    std::int64_t layers, heads, inner;
    double layerdrop;
  };
  Side encoder, decoder;
  std::int64_t width, mels, vocabulary, padding_id;
  std::int64_t source_positions, target_positions;  // of the encoder's output (1500), of the decoder's tokens (448)
  double dropout, attention_dropout, activation_dropout;
  bool tied;  // the output projection is the token embedding
  Activation activation;

  std::int64_t window() const { return 2 * source_positions; }  // frames of a whole row
};
constexpr double whisper_norm_eps = 1e-5;

WhisperConfig read_whisper_config(const JsonView& config);

}  // namespace thaw
