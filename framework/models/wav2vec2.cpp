#include "framework/models/wav2vec2.h"

#include <cmath>

#include "framework/base/error.h"
#include "framework/base/random.h"
#include "framework/models/wav2vec2_layers.h"
#include "framework/models/wavlm_attention.h"
#include "framework/nn/convolution.h"

namespace thaw {
namespace {

constexpr int first_block = 2;                    // above the feature extractor and the embeddings
constexpr std::int64_t most_positions = 1 << 16;  // that attention's dropout numbers

SelfAttention self_attention(const Declare& declare, const Wav2Vec2Config& c) {
  const Projections projections = declare_projections(declare, c);
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.width / c.heads));
  return [=, group = declare.group](const at::Tensor& x, const Packed& in, const Context& context) {
    const auto by_head = [&](const at::Tensor& t) { return t.view({t.size(0), c.heads, c.width / c.heads}); };
    const at::Tensor mixed = attention(by_head(projections.query(x)), by_head(projections.key(x)), by_head(projections.value(x)),
                                       in.cu_seqlens, scale, context.site(c.attention_dropout, group, 0));
    return projections.out(mixed.view({-1, c.width}));
  };
}

// Whether a whole step leaves a block out (layerdrop): all its passes alike, so that a parameter has its gradient from each
// of them or from none. WavLM keeps its lowest block, as the reference does.
bool left_out(const Wav2Vec2Config& c, const Context& context, int group) {
  if (!context.training || (c.buckets > 0 && group == first_block)) return false;
  constexpr int use = 4;
  return philox(random_key(context.random_key, group, use), 0)[0] / 4294967296.0 < c.layer_drop;
}

std::unique_ptr<Model> build(const JsonView& json, const HeadSpec& head, const char* architecture, const char* name) {
  const Wav2Vec2Config config = read_wav2vec2_config(json, head, architecture);
  auto model = std::make_unique<Model>();
  model->architecture = architecture;
  model->export_class = fmt::format("{}{}", name, head.kind == Head::ctc ? "ForCTC" : "ForSequenceClassification");
  model->config = json.raw();
  if (head.kind == Head::ctc) model->config["vocab_size"] = model->vocabulary_size = head.outputs;
  model->hears = true;
  model->row_tokens = [lengths = config.convolutions](int layer, std::int64_t samples) {
    return layer == 0 ? samples : lengths.frames_of(samples);
  };
  model->max_positions = config.convolutions.samples_needed(most_positions);
  model->width = config.width;
  model->embeddings_read = config.channels.back();
  model->first_block = first_block;
  model->layers.push_back(wav2vec2_feature_extractor(*model, config));
  model->layers.push_back(wav2vec2_embeddings(*model, config));
  Parameter* table = nullptr;
  for (int index = 0; index < config.layers; ++index) model->layers.push_back(wav2vec2_block(*model, config, index, table));
  model->layers.push_back(wav2vec2_head(*model, config, head));
  return model;
}

}  // namespace

Projections declare_projections(const Declare& declare, const Wav2Vec2Config& c) {
  const auto linear = [&](const char* name) { return declare.linear(fmt::format("attention.{}_proj", name), c.width, c.width); };
  const Linear key = linear("k"), value = linear("v"), query = linear("q"), out = linear("out");
  return {key, value, query, out};
}

Layer wav2vec2_block(Model& model, const Wav2Vec2Config& c, int index, Parameter*& table) {
  const int group = first_block + index;
  const std::string name = fmt::format("encoder.layers.{}", index);
  const Declare declare{model, fmt::format("{}{}.", c.prefix, name), group}, encoder{model, c.prefix + "encoder.", group};
  const SelfAttention attend = c.buckets > 0 ? wavlm_attention(declare, c, table) : self_attention(declare, c);
  const Norm norm1 = declare.norm("layer_norm", c.width, c.eps);
  const Linear up = declare.linear("feed_forward.intermediate_dense", c.width, c.inner);
  const Linear down = declare.linear("feed_forward.output_dense", c.inner, c.width);
  const Norm norm2 = declare.norm("final_layer_norm", c.width, c.eps);
  std::optional<Norm> last;  // the encoder's own, where blocks begin with norms
  if (c.norm_first && index + 1 == c.layers) last = encoder.norm("layer_norm", c.width, c.eps);
  return {name, [=](const Packed& in, const Context& context) {
            at::Tensor x = in.values.to(up.weight->working.scalar_type());
            const auto hidden = [&](int use) { return context.site(c.hidden_dropout, group, use); };
            const auto feed = [&](const at::Tensor& t) {
              return down(dropout(activate(up(t), c.activation), context.site(c.activation_dropout, group, 2)));
            };
            const auto add_norm = [&](const at::Tensor& branch, const Norm& norm, int use) {
              return dropout_add_layer_norm(branch, x, norm.gamma->working, norm.beta->working, norm.eps, hidden(use));
            };
            if (!left_out(c, context, group)) {
              if (c.norm_first) {
                x = x + dropout(attend(norm1(x), in, context), hidden(1));
                x = x + dropout(feed(norm2(x)), hidden(3));
              } else {
                x = add_norm(attend(x, in, context), norm1, 1);
                x = add_norm(feed(x), norm2, 3);
              }
            }
            return Packed{last ? (*last)(x) : x, in.cu_seqlens, in.max_length};
          }};
}

// In fp32, as every head is. The mean stands before the first linear layer, which costs a row then and not its every frame.
Layer wav2vec2_head(Model& model, const Wav2Vec2Config& c, const HeadSpec& head) {
  const int group = first_block + static_cast<int>(c.layers);
  const Declare declare{model, "", group, /*keep_fp32=*/true};
  if (head.kind == Head::ctc) {
    const Linear symbols = declare.linear("lm_head", c.width, head.outputs);
    return {"head", [=](const Packed& in, const Context& context) {
              const at::Tensor x = dropout(in.values.to(at::kFloat), context.site(c.final_dropout, group, 0));
              return Packed{symbols(x).narrow(0, 0, in.cu_seqlens.back()), in.cu_seqlens, in.max_length};
            }};
  }
  const Linear project = declare.linear("projector", c.width, c.projection);
  const Linear classify = declare.linear("classifier", c.projection, head.outputs);
  return {"head", [=](const Packed& in, const Context&) {
            Packed out = rows_of_one(in.cu_seqlens.size() - 1);
            out.values = classify(project(row_means(in.values, in.cu_seqlens)));
            return out;
          }};
}

std::unique_ptr<Model> build_wav2vec2(const JsonView& config, const HeadSpec& head) { return build(config, head, "wav2vec2", "Wav2Vec2"); }
std::unique_ptr<Model> build_hubert(const JsonView& config, const HeadSpec& head) { return build(config, head, "hubert", "Hubert"); }
std::unique_ptr<Model> build_wavlm(const JsonView& config, const HeadSpec& head) { return build(config, head, "wavlm", "WavLM"); }

}  // namespace thaw
