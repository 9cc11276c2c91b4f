#include "framework/models/whisper_inference.h"

#include <algorithm>
#include <cmath>

#include "framework/base/error.h"
#include "framework/nn/cpu/kernels.h"
#include "framework/nn/parallel.h"

namespace thaw {
namespace {

PackedLinear pack(const WhisperValues& values, const std::string& name, at::ScalarType type) {
  return {values(name + ".weight"), values(name + ".bias"), type};
}

// A convolution's weight [out, in, 3] as that of a product with three frames in a row.
PackedLinear pack_convolution(const WhisperValues& values, const std::string& name, at::ScalarType type) {
  const at::Tensor weight = values(name + ".weight");
  return {weight.permute({0, 2, 1}).reshape({weight.size(0), -1}), values(name + ".bias"), type};
}

}  // namespace

WhisperValues::WhisperValues(const Model& model) : model_(model), config_(read_whisper_config(JsonView(model.config, "config.json"))) {
  if (model.architecture != "whisper" || model.decoder < 0)
    throw ModelError("{}: expected a Whisper that transcribes, found {}: load it with the head of a language model", model.architecture,
                     model.export_class);
}

at::Tensor WhisperValues::operator()(const std::string& name) const {
  const std::string full = "model." + name;
  const auto found = std::find_if(model_.parameters.begin(), model_.parameters.end(),
                                  [&](const Parameter& p) { return p.name == full || p.name == name; });
  return found == model_.parameters.end() ? at::Tensor() : found->value.detach().cpu();
}

at::Tensor WhisperValues::stacked(const std::string& prefix, const std::vector<std::string>& names, const char* kind) const {
  std::vector<at::Tensor> parts;
  for (const std::string& name : names) {
    parts.push_back((*this)(fmt::format("{}{}.{}", prefix, name, kind)));
    if (!parts.back().defined()) parts.back() = at::zeros({config_.width});
  }
  return at::cat(parts);
}

WhisperEncoder::WhisperEncoder(const WhisperValues& values, at::ScalarType type)
    : config_(values.config()),
      type_(type),
      first_(pack_convolution(values, "encoder.conv1", type)),
      second_(pack_convolution(values, "encoder.conv2", type)),
      positions_(values("encoder.embed_positions.weight").to(type)),
      final_norm_(values, "encoder.layer_norm") {
  const at::NoGradGuard no_grad;
  for (std::int64_t index = 0; index < config_.encoder.layers; ++index) {
    const std::string prefix = fmt::format("encoder.layers.{}.", index), attention = prefix + "self_attn.";
    const std::vector<std::string> projections{"q_proj", "k_proj", "v_proj"};
    layers_.push_back({NormValues(values, prefix + "self_attn_layer_norm"), NormValues(values, prefix + "final_layer_norm"),
                       PackedLinear(values.stacked(attention, projections, "weight"), values.stacked(attention, projections, "bias"), type),
                       pack(values, attention + "out_proj", type), pack(values, prefix + "fc1", type), pack(values, prefix + "fc2", type)});
  }
}

// Three frames in a row lie one behind another: windows are views over the frames and a zero frame at either end.
at::Tensor WhisperEncoder::convolved(const at::Tensor& features) const {
  const auto windows = [](const at::Tensor& x, std::int64_t stride) {
    const std::int64_t frames = x.size(0), width = x.size(1);
    const at::Tensor padded = at::constant_pad_nd(x, {0, 0, 1, 1});
    return padded.as_strided({(frames - 1) / stride + 1, 3 * width}, {stride * width, 1}).contiguous();
  };
  const at::Tensor frames = features.t().to(type_).contiguous();
  return second_.activated(windows(first_.activated(windows(frames, 1), Activation::gelu), 2), Activation::gelu);
}

at::Tensor WhisperEncoder::attend(const at::Tensor& qkv) const {
  const std::int64_t tokens = qkv.size(0), width = config_.width, heads = config_.encoder.heads, dim = width / heads;
  at::Tensor out = at::empty({tokens, width}, qkv.options());
  const bool bf16 = type_ == at::kBFloat16;
  const auto bytes = static_cast<std::int64_t>(qkv.element_size());
  const char* const from = static_cast<const char*>(qkv.const_data_ptr());
  char* const to = static_cast<char*>(out.mutable_data_ptr());
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim)));
  const auto pairs = bf16 ? cpu::kernels().attention_bf16 : nullptr;
  const std::int64_t needed = pairs != nullptr ? cpu::attention_bf16_scratch(tokens, dim) : cpu::attention_scratch(tokens, tokens, dim);
  parallel_for(0, heads, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scratch(static_cast<std::size_t>(needed));
    for (std::int64_t head = begin; head < end; ++head) {
      const char *const q = from + head * dim * bytes, *const k = q + width * bytes, *const v = k + width * bytes;
      char* const o = to + head * dim * bytes;
      const cpu::AttentionArgs args{3 * width, width, tokens, tokens, dim, scale, false, head, heads};
      if (pairs != nullptr) pairs(q, k, v, o, args, scratch.data());
      else cpu::kernels().attention_forward(bf16, q, k, v, o, args, {}, scratch.data());
    }
  });
  return out;
}

at::Tensor WhisperEncoder::operator()(const at::Tensor& features) const {
  const at::NoGradGuard no_grad;
  if (features.dim() != 2 || features.size(0) != config_.mels || features.size(1) < 1 || features.size(1) > config_.window())
    throw DataError("features of a window: expected [{}, 1 to {}], found [{}]", config_.mels, config_.window(),
                    fmt::join(features.sizes(), ", "));
  at::Tensor x = convolved(features);
  x.add_(positions_.narrow(0, 0, x.size(0)));
  for (const Layer& layer : layers_) {
    x = layer.out.plus(attend(layer.qkv(layer.attention_norm(x))), x);
    x = layer.down.plus(layer.up.activated(layer.norm(x), config_.activation), x);
  }
  return final_norm_(x);
}

}  // namespace thaw
