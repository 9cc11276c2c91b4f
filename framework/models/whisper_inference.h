// Whisper's encoder for inference on the CPU: the same parameters in another layout, no autograd, fp32 or bf16.
#pragma once

#include <vector>

#include "framework/models/model.h"
#include "framework/models/whisper_config.h"
#include "framework/nn/inference_linear.h"

namespace thaw {

// The values of a Whisper that transcribes, by their hub names; throws ModelError where the model is no such one.
class WhisperValues {
 public:
  explicit WhisperValues(const Model& model);
  const WhisperConfig& config() const { return config_; }
  at::Tensor operator()(const std::string& name) const;  // fp32; undefined where there is none, as of a key's bias
  // Several projections of one input as one: rows of `names`, one after another; a missing bias is zeros.
  at::Tensor stacked(const std::string& prefix, const std::vector<std::string>& names, const char* kind) const;

 private:
  const Model& model_;
  WhisperConfig config_;
};

// A norm by value, as inference keeps it: it outlives the model.
struct NormValues {
  at::Tensor gamma, beta;
  NormValues() = default;
  NormValues(const WhisperValues& values, const std::string& name) : gamma(values(name + ".weight")), beta(values(name + ".bias")) {}
  at::Tensor operator()(const at::Tensor& x) const { return layer_norm(x, gamma, beta, whisper_norm_eps); }
};

class WhisperEncoder {
 public:
  WhisperEncoder(const WhisperValues& values, at::ScalarType type);  // copies what it needs

  // Log-mel fp32 [mels, frames] of one window, or shorter → [frames / 2, width] of the encoder's type.
  at::Tensor operator()(const at::Tensor& features) const;

 private:
  struct Layer {
    NormValues attention_norm, norm;
    PackedLinear qkv, out, up, down;
  };
  at::Tensor convolved(const at::Tensor& features) const;
  at::Tensor attend(const at::Tensor& qkv) const;

  WhisperConfig config_;
  at::ScalarType type_;
  PackedLinear first_, second_;  // convolutions as products of windows of three frames
  at::Tensor positions_;
  std::vector<Layer> layers_;
  NormValues final_norm_;
};

}  // namespace thaw
