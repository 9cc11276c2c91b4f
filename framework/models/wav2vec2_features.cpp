// From the waveform to what the encoder reads.
#include "framework/base/error.h"
#include "framework/models/wav2vec2_layers.h"
#include "framework/nn/convolution.h"

namespace thaw {
namespace {

constexpr double convolution_eps = 1e-5;  // of the norms between convolutions: torch's default, whatever layer_norm_eps is

struct ConvolutionLayer {
  Convolution shape;
  const Parameter *weight, *bias;  // no bias: null
  std::optional<Norm> norm;
};

// The lowest one computes in fp32: a sample has more bits than bf16, and its kernel hardly any work.
ConvolutionLayer declare_convolution(const Declare& declare, const Wav2Vec2Config& c, std::size_t index) {
  Declare here = declare;
  here.prefix += fmt::format("conv_layers.{}.", index);
  here.keep_fp32 = index == 0;
  const std::int64_t in = index == 0 ? 1 : c.channels[index - 1], out = c.channels[index];
  ConvolutionLayer layer{{c.convolutions.kernels[index], c.convolutions.strides[index]}, nullptr, nullptr, std::nullopt};
  Parameter& weight = here.add("conv.weight", {out, in, layer.shape.kernel}, Role::matrix);
  weight.stride = 1;
  for (std::size_t i = 0; i <= index; ++i) weight.stride *= c.convolutions.strides[i];
  layer.weight = &weight;
  if (c.convolution_bias) layer.bias = &here.add("conv.bias", {out}, Role::bias);
  if (index == 0 || !c.norms_over_time) layer.norm = here.norm("layer_norm", out, convolution_eps);
  return layer;
}

// One row: [samples, 1] → [frames, channels]. weights: laid out. What a norm over time gives is already of the type that the
// next convolution reads.
at::Tensor frames_of(at::Tensor x, const std::vector<ConvolutionLayer>& layers, const std::vector<at::Tensor>& weights,
                     const Wav2Vec2Config& c) {
  std::vector<std::int64_t> tokens{0, x.size(0)};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& [shape, weight, bias, norm] = layers[i];
    x = convolution(x.to(weights[i].scalar_type()), weights[i], bias != nullptr ? bias->working : at::Tensor(), tokens, shape);
    tokens = shape.rows(tokens);
    const at::ScalarType next = weights[std::min(i + 1, layers.size() - 1)].scalar_type();
    if (norm && c.norms_over_time) x = time_norm(x, norm->gamma->working, norm->beta->working, tokens, norm->eps, next);
    else if (norm) x = (*norm)(x);
    x = activate(x, c.convolution_activation);
  }
  return x.narrow(0, 0, tokens.back());
}

void check_samples(const Packed& in, const Context& context, const Wav2Vec2Config& c) {
  const std::int64_t given = context.features.defined() ? context.features.numel() : 0;
  if (given < in.cu_seqlens.back()) throw ModelError("Context::features: expected {} samples, found {}", in.cu_seqlens.back(), given);
  for (std::size_t row = 0; row + 1 < in.cu_seqlens.size(); ++row)
    if (const std::int64_t samples = in.cu_seqlens[row + 1] - in.cu_seqlens[row]; c.convolutions.frames_of(samples) == 0)
      throw DataError("row {} of a pass has {} samples, but {} needs at least {}: leave such rows out", row, samples, c.architecture,
                      c.convolutions.samples_needed(1));
}

// Factors of 0 and 1 for x: [tokens, width], whole columns of each row.
at::Tensor unmasked_features(const SpanMask& mask, const Packed& in, const RandomSite& site, const at::Tensor& x) {
  const auto rows = static_cast<std::int64_t>(in.cu_seqlens.size()) - 1, width = x.size(1);
  std::vector<std::int64_t> starts;
  for (std::int64_t row = 0; row <= rows; ++row) starts.push_back(row * width);
  const at::Tensor kept = masked_spans(mask, starts, site).logical_not().view({rows, width}).to(x.device(), x.scalar_type());
  at::Tensor factors = at::ones_like(x);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t start = in.cu_seqlens[static_cast<std::size_t>(row)];
    factors.narrow(0, start, in.cu_seqlens[static_cast<std::size_t>(row) + 1] - start).copy_(kept[row]);
  }
  return factors;
}

using Masking = std::function<at::Tensor(at::Tensor x, const Packed& in, const Context& context)>;

// SpecAugment, while training: spans of frames become a learned vector, spans of features 0.
Masking declare_masks(Model& model, const Wav2Vec2Config& c, int group) {
  if (c.time_mask.share == 0 && c.feature_mask.share == 0) return [](const at::Tensor& x, const Packed&, const Context&) { return x; };
  Parameter& parameter = model.add(c.prefix + "masked_spec_embed", {c.width}, Role::matrix, group);
  parameter.may_be_missing = parameter.keep_fp32 = true;  // models that were trained without masks have none
  return [=, &parameter](at::Tensor x, const Packed& in, const Context& context) {
    if (const RandomSite site = context.row_site(c.time_mask.share, group, 1); site.p > 0) {
      const at::Tensor spans = masked_spans(c.time_mask, in.cu_seqlens, site).to(x.device());
      const at::Tensor all = at::constant_pad_nd(spans, {0, x.size(0) - spans.size(0)});
      x = at::where(all.unsqueeze(1), parameter.working.to(x.scalar_type()), x);
    }
    if (const RandomSite site = context.row_site(c.feature_mask.share, group, 2); site.p > 0)
      x = x * unmasked_features(c.feature_mask, in, site, x);
    return x;
  };
}

}  // namespace

Layer wav2vec2_feature_extractor(Model& model, const Wav2Vec2Config& c) {
  const Declare declare{model, c.prefix + "feature_extractor.", 0};
  std::vector<ConvolutionLayer> layers;
  for (std::size_t i = 0; i < c.channels.size(); ++i) layers.push_back(declare_convolution(declare, c, i));
  return {"feature_extractor", [=](const Packed& in, const Context& context) {
            check_samples(in, context, c);
            std::vector<at::Tensor> weights, rows;
            for (const ConvolutionLayer& layer : layers) weights.push_back(laid_out(layer.weight->working, layer.shape));
            const at::Tensor samples = context.features.reshape({-1, 1});
            std::vector<std::int64_t> cu_seqlens{0};
            for_rows(in.cu_seqlens, [&](std::size_t, std::int64_t start, std::int64_t length) {
              rows.push_back(frames_of(samples.narrow(0, start, length), layers, weights, c));
              cu_seqlens.push_back(cu_seqlens.back() + rows.back().size(0));
            });
            Packed out = pack_of(std::move(cu_seqlens));
            out.values = pad_tokens(at::cat(rows));
            return out;
          }};
}

Layer wav2vec2_embeddings(Model& model, const Wav2Vec2Config& c) {
  constexpr int group = 1;
  const Declare projecting{model, c.prefix + "feature_projection.", group},
      positions{model, c.prefix + "encoder.pos_conv_embed.conv.", group}, fp32{model, positions.prefix, group, /*keep_fp32=*/true},
      encoder{model, c.prefix + "encoder.", group};
  std::optional<Norm> norm_features, norm;
  if (c.normed_features) norm_features = projecting.norm("layer_norm", c.channels.back(), c.eps);
  const Linear project = projecting.linear("projection", c.channels.back(), c.width);
  const Masking masked = declare_masks(model, c, group);
  const Parameter& bias = positions.add("bias", {c.width}, Role::bias);
  const Parameter& g = fp32.add("weight_g", {1, 1, c.position_kernel}, Role::matrix);
  const Parameter& v = fp32.add("weight_v", {c.width, c.width / c.position_groups, c.position_kernel}, Role::matrix);
  if (!c.norm_first) norm = encoder.norm("layer_norm", c.width, c.eps);
  // As many positions as tokens: what an even kernel would add at the end is left out.
  const Convolution shape{c.position_kernel, 1, c.position_kernel / 2, (c.position_kernel - 1) / 2, c.position_groups};
  return {"embeddings", [=, &bias, &g, &v](const Packed& in, const Context& context) {
            const at::Tensor features = in.values.to(project.weight->working.scalar_type());
            at::Tensor x = project(norm_features ? (*norm_features)(features) : features);
            x = masked(dropout(x, context.site(c.features_dropout, group, 0)), in, context);
            const at::Tensor weight = normed_weight(g.working, v.working, x.scalar_type());
            const at::Tensor told = convolution(x, laid_out(weight, shape), bias.working.to(x.scalar_type()), in.cu_seqlens, shape);
            x = x + activate(told, c.convolution_activation);
            return Packed{dropout(norm ? (*norm)(x) : x, context.site(c.hidden_dropout, group, 3)), in.cu_seqlens, in.max_length};
          }};
}

}  // namespace thaw
