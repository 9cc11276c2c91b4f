#include "framework/models/whisper.h"

#include <cmath>

#include "framework/base/error.h"
#include "framework/models/declare.h"
#include "framework/models/whisper_config.h"
#include "framework/nn/convolution.h"
#include "framework/nn/cross_attention.h"

namespace thaw {
namespace {

// The places in a layer that draw random numbers.
enum Use { attention_use, self_use, cross_attention_use, cross_use, activation_use, inner_use, layerdrop_use };

// Dropout in rows of at most `longest` tokens: row r of the step owns `longest` numbers, however passes are cut.
RandomSite site_of(const Context& context, double p, int layer, Use use, std::int64_t longest) {
  RandomSite site = context.site(p, layer, use);
  site.first_token = context.first_row * longest;
  return site;
}

// LayerDrop (Fan et al. 2019): a step leaves a whole layer out, on all ranks alike.
bool left_out(const Context& context, double p, int layer) {
  const RandomSite site = context.site(p, layer, layerdrop_use);
  return site.p > 0 && philox(site.key, 0)[0] < site.p * 4294967296.0;
}

// x, with gradients of zero for what a layer reads that this step leaves out: its parameters and, where it has one, the memory.
at::Tensor without(const at::Tensor& x, const Model& model, int group, const Packed* memory = nullptr) {
  if (!at::GradMode::is_enabled()) return x;
  std::vector<at::Tensor> unread;
  for (const Parameter& parameter : model.parameters)
    if (parameter.group == group && parameter.working.requires_grad()) unread.push_back(parameter.working);
  if (memory != nullptr) unread.push_back(memory->values);
  at::Tensor nothing = at::zeros({1}, x.options());
  for (const at::Tensor& tensor : unread) nothing = nothing + tensor.flatten().narrow(0, 0, 1).to(x.scalar_type()) * 0;
  return x + nothing;
}

struct Attention {
  Linear query, key, value, out;
  std::int64_t heads;

  Attention(const Declare& declare, const std::string& name, std::int64_t width, std::int64_t head_count)
      : query{},
        key(declare.linear(name + ".k_proj", width, width, /*with_bias=*/false)),
        value(declare.linear(name + ".v_proj", width, width)),
        out{},
        heads(head_count) {
    query = declare.linear(name + ".q_proj", width, width);
    out = declare.linear(name + ".out_proj", width, width);
  }
  double scale(const at::Tensor& x) const { return 1.0 / std::sqrt(static_cast<double>(x.size(1) / heads)); }
  at::Tensor to_itself(const at::Tensor& x, const AttentionRows& rows, const RandomSite& site) const {
    const auto split = [&](const at::Tensor& of) { return of.view({of.size(0), heads, of.size(1) / heads}); };
    return out(attention(split(query(x)), split(key(x)), split(value(x)), rows, scale(x), site).view(x.sizes()));
  }
  at::Tensor to(const at::Tensor& memory, const at::Tensor& x, const AttentionRows& rows, const RandomSite& site) const {
    const KeysAndValues maps{key.weight->working, value.weight->working, value.bias->working};
    return out(cross_attention(query(x), memory, maps, rows, heads, scale(x), site));
  }
};

// x + branch of norm(x), in the forms that the encoder's and the decoder's layers share.
struct Block {
  const WhisperConfig& c;
  const Context& context;
  int group;
  std::int64_t longest;

  at::Tensor drop(const at::Tensor& x, double p, Use use) const { return dropout(x, site_of(context, p, group, use, longest)); }
  at::Tensor attend(const at::Tensor& x, const Norm& norm, const Attention& attention, const AttentionRows& rows) const {
    const RandomSite site = site_of(context, c.attention_dropout, group, attention_use, longest);
    return x + drop(attention.to_itself(norm(x), rows, site), c.dropout, self_use);
  }
  at::Tensor attend_to(const Packed& memory, const at::Tensor& x, const Norm& norm, const Attention& attention,
                       const AttentionRows& rows) const {
    const RandomSite site = site_of(context, c.attention_dropout, group, cross_attention_use, longest);
    return x + drop(attention.to(memory.values.to(x.scalar_type()), norm(x), rows, site), c.dropout, cross_use);
  }
  at::Tensor feed_forward(const at::Tensor& x, const Norm& norm, const Linear& up, const Linear& down) const {
    const at::Tensor inner = drop(activate(up(norm(x)), c.activation), c.activation_dropout, activation_use);
    return x + drop(down(inner), c.dropout, inner_use);
  }
};

void check_rows(const std::vector<std::int64_t>& cu_seqlens, const Context& context, const WhisperConfig& c, bool short_rows) {
  const bool fits = context.features.defined() && context.features.dim() == 2 && context.features.size(0) >= cu_seqlens.back() &&
                    context.features.size(1) == c.mels;
  if (!fits)
    throw DataError("features: expected at least {} frames of {} mels, found {}", cu_seqlens.back(), c.mels,
                    context.features.defined() ? fmt::format("[{}]", fmt::join(context.features.sizes(), ", ")) : "none");
  for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row) {
    const std::int64_t frames = cu_seqlens[row + 1] - cu_seqlens[row];
    if (frames == c.window() || (short_rows && frames > 0 && frames < c.window())) continue;
    throw DataError("row {} of the pass: expected {} frames, found {}: Whisper reads windows of 30 s, padded where audio is shorter", row,
                    short_rows ? fmt::format("1 to {}", c.window()) : fmt::to_string(c.window()), frames);
  }
}

// Two convolutions, the second of stride 2, and a fixed table of positions.
Layer convolutions(Model& model, const WhisperConfig& c, const std::string& prefix, bool short_rows) {
  const Declare declare{model, prefix, 0};
  const auto declared = [&](const std::string& name, std::int64_t in, std::int64_t stride) {
    Parameter& weight = declare.add(name + ".weight", {c.width, in, 3}, Role::matrix);
    weight.stride = stride;
    return Linear{&weight, &declare.add(name + ".bias", {c.width}, Role::bias)};
  };
  const Linear first = declared("conv1", c.mels, 1), second = declared("conv2", c.width, 2);
  const Convolution same{3, 1, 1, 1}, halving{3, 2, 1, 1};
  const auto convolve = [](const at::Tensor& x, const Packed& in, const Linear& of, const Convolution& shape) {
    return at::gelu(convolution(x, laid_out(of.weight->working, shape), of.bias->working, in.cu_seqlens, shape));
  };
  Parameter& positions = declare.add("embed_positions.weight", {c.source_positions, c.width}, Role::embedding);
  positions.fixed = true;
  return {"encoder.conv", [=, &positions](const Packed& in, const Context& context) {
            check_rows(in.cu_seqlens, context, c, short_rows);
            const at::Tensor frames = context.features.to(first.weight->working.scalar_type());
            Packed out = pack_of(halving.rows(in.cu_seqlens));
            const at::Tensor x = convolve(convolve(frames, in, first, same), in, second, halving);
            std::vector<at::Tensor> table;
            for_rows(out.cu_seqlens,
                     [&](std::size_t, std::int64_t, std::int64_t length) { table.push_back(positions.working.narrow(0, 0, length)); });
            out.values = dropout(x + pad_tokens(at::cat(table)), site_of(context, c.dropout, 0, self_use, c.source_positions));
            return out;
          }};
}

// The last of them holds the encoder's final norm, where there is one.
Layer encoder_layer(Model& model, const WhisperConfig& c, const std::string& prefix, int index, bool with_final_norm) {
  const int group = index + 1;
  const Declare declare{model, fmt::format("{}layers.{}.", prefix, index), group};
  const Attention self(declare, "self_attn", c.width, c.encoder.heads);
  const Norm self_norm = declare.norm("self_attn_layer_norm", c.width, whisper_norm_eps);
  const Linear up = declare.linear("fc1", c.width, c.encoder.inner), down = declare.linear("fc2", c.encoder.inner, c.width);
  const Norm norm = declare.norm("final_layer_norm", c.width, whisper_norm_eps);
  const bool last = with_final_norm && index + 1 == c.encoder.layers;
  const Norm final_norm = last ? Declare{model, prefix, group}.norm("layer_norm", c.width, whisper_norm_eps) : Norm{};
  return {fmt::format("encoder.layers.{}", index), [=, &model](const Packed& in, const Context& context) {
            const Block block{c, context, group, c.source_positions};
            at::Tensor x = in.values.to(up.weight->working.scalar_type());
            if (left_out(context, c.encoder.layerdrop, group)) {
              x = without(x, model, group);
            } else {
              x = block.attend(x, self_norm, self, {in.cu_seqlens, in.cu_seqlens});
              x = block.feed_forward(x, norm, up, down);
            }
            return Packed{last ? final_norm(x) : x, in.cu_seqlens, in.max_length};
          }};
}

// From here on rows are the decoder's, and the encoder's output goes along with them.
Layer decoder_embeddings(Model& model, const WhisperConfig& c) {
  const int group = model.decoder;
  const Declare declare{model, "model.decoder.", group};
  Parameter& tokens = declare.add("embed_tokens.weight", {c.vocabulary, c.width}, Role::embedding);
  if (c.tied) tokens.uses = {group, group + static_cast<int>(c.decoder.layers) + 1};
  const Parameter& positions = declare.add("embed_positions.weight", {c.target_positions, c.width}, Role::embedding);
  return {"decoder.embeddings", [=, &tokens, &positions](const Packed& in, const Context& context) {
            if (context.decoder_cu_seqlens.size() != in.cu_seqlens.size())
              throw DataError("a pass: expected a row of text for each of {} rows of audio, found {}", in.cu_seqlens.size() - 1,
                              static_cast<std::int64_t>(context.decoder_cu_seqlens.size()) - 1);
            Packed out = pack_of(context.decoder_cu_seqlens);
            if (out.max_length > c.target_positions)
              throw DataError("a row's text: expected at most {} tokens, found {}", c.target_positions, out.max_length);
            const at::Tensor x = thaw::embedding(pad_tokens(context.input_ids), tokens.working, c.padding_id) +
                                 thaw::embedding(pad_tokens(context.positions), positions.working);
            out.values = dropout(x, site_of(context, c.dropout, group, self_use, c.target_positions));
            out.memory = std::make_shared<const Packed>(in);
            return out;
          }};
}

Layer decoder_layer(Model& model, const WhisperConfig& c, int index) {
  const int group = model.decoder + 1 + index;
  const Declare declare{model, fmt::format("model.decoder.layers.{}.", index), group};
  const Attention self(declare, "self_attn", c.width, c.decoder.heads);
  const Norm self_norm = declare.norm("self_attn_layer_norm", c.width, whisper_norm_eps);
  const Attention cross(declare, "encoder_attn", c.width, c.decoder.heads);
  for (const char* of_memory : {"k_proj", "v_proj"})
    model.find(fmt::format("model.decoder.layers.{}.encoder_attn.{}.weight", index, of_memory))->of_memory = true;
  const Norm cross_norm = declare.norm("encoder_attn_layer_norm", c.width, whisper_norm_eps);
  const Linear up = declare.linear("fc1", c.width, c.decoder.inner), down = declare.linear("fc2", c.decoder.inner, c.width);
  const Norm norm = declare.norm("final_layer_norm", c.width, whisper_norm_eps);
  return {fmt::format("decoder.layers.{}", index), [=, &model](const Packed& in, const Context& context) {
            const Block block{c, context, group, c.target_positions};
            at::Tensor x = in.values.to(up.weight->working.scalar_type());
            if (left_out(context, c.decoder.layerdrop, group)) {
              x = without(x, model, group, in.memory.get());
            } else {
              x = block.attend(x, self_norm, self, {in.cu_seqlens, in.cu_seqlens, /*causal=*/true});
              x = block.attend_to(*in.memory, x, cross_norm, cross, {in.cu_seqlens, in.memory->cu_seqlens});
              x = block.feed_forward(x, norm, up, down);
            }
            return Packed{x, in.cu_seqlens, in.max_length, in.memory};
          }};
}

// The decoder's final norm and the projection to the vocabulary, in fp32.
Layer language_head(Model& model, const WhisperConfig& c) {
  const Declare declare{model, "", static_cast<int>(model.layers.size()), /*keep_fp32=*/true};
  const Norm norm = declare.norm("model.decoder.layer_norm", c.width, whisper_norm_eps);
  const Parameter& projection =
      c.tied ? *model.find("model.decoder.embed_tokens.weight") : declare.add("proj_out.weight", {c.vocabulary, c.width}, Role::matrix);
  return {"head", [=, &projection](const Packed& in, const Context&) {
            const at::Tensor logits = Linear{&projection, nullptr}(norm(in.values.to(at::kFloat)));
            return Packed{logits.narrow(0, 0, in.cu_seqlens.back()), in.cu_seqlens, in.max_length, in.memory};
          }};
}

// A projection, its mean over a row, and the classifier, in fp32.
Layer audio_head(Model& model, const WhisperConfig& c, std::int64_t projected, std::int64_t outputs) {
  const Declare declare{model, "", static_cast<int>(model.layers.size()), /*keep_fp32=*/true};
  const Linear projector = declare.linear("projector", c.width, projected), classifier = declare.linear("classifier", projected, outputs);
  return {"head", [=](const Packed& in, const Context&) {
            const at::Tensor tokens = projector(in.values.to(at::kFloat));
            std::vector<at::Tensor> means;
            for (std::size_t row = 0; row + 1 < in.cu_seqlens.size(); ++row)
              means.push_back(tokens.slice(0, in.cu_seqlens[row], in.cu_seqlens[row + 1]).mean(0));
            Packed out = rows_of_one(means.size());
            out.values = classifier(at::stack(means));
            return out;
          }};
}

// Symbols of each of the encoder's frames, in fp32. The norm stands in the place of the encoder's final one, whose scales were learnt for
// the decoder and differ so much that a map of what they give learns little.
Layer symbols_head(Model& model, const WhisperConfig& c, std::int64_t outputs) {
  const Declare declare{model, "", static_cast<int>(model.layers.size()), /*keep_fp32=*/true};
  const Norm norm = declare.norm("lm_head_norm", c.width, whisper_norm_eps);
  const Linear symbols = declare.linear("lm_head", c.width, outputs);
  return {"head", [=](const Packed& in, const Context&) {
            return Packed{symbols(norm(in.values.to(at::kFloat))).narrow(0, 0, in.cu_seqlens.back()), in.cu_seqlens, in.max_length};
          }};
}

const char* class_ending_in(Head head) {
  return head == Head::language ? "WhisperForConditionalGeneration" : head == Head::ctc ? "WhisperForCTC" : "WhisperForAudioClassification";
}

}  // namespace

std::unique_ptr<Model> build_whisper(const JsonView& json, const HeadSpec& head) {
  WhisperConfig config = read_whisper_config(json);
  if (head.dropout >= 0) config.dropout = config.attention_dropout = head.dropout;
  const bool transcribes = head.kind == Head::language;
  auto model = std::make_unique<Model>();
  model->architecture = "whisper";
  model->export_class = class_ending_in(head.kind);
  model->config = json.raw();
  if (head.kind == Head::ctc) model->config["vocab_size"] = config.vocabulary = head.outputs;
  model->vocabulary_size = config.vocabulary;
  model->max_positions = config.target_positions;
  model->width = config.width;
  model->hears = true;
  model->feature_width = config.mels;
  model->max_features = config.window();
  model->row_tokens = [](int layer, std::int64_t frames) { return layer == 0 ? frames : (frames + 1) / 2; };
  const std::string prefix = transcribes ? "model.encoder." : "encoder.";
  model->layers.push_back(convolutions(*model, config, prefix, head.short_rows));
  for (int index = 0; index < config.encoder.layers; ++index)
    model->layers.push_back(encoder_layer(*model, config, prefix, index, head.kind != Head::ctc));
  if (head.kind == Head::ctc) {
    model->layers.push_back(symbols_head(*model, config, head.outputs));
    return model;
  }
  if (!transcribes) {
    if (json.boolean_or("use_weighted_layer_sum", false)) json["use_weighted_layer_sum"].fail("false: the last layer's output alone");
    const std::int64_t projected = json.integer_or("classifier_proj_size", 256);
    model->layers.push_back(audio_head(*model, config, projected, head.outputs));
    return model;
  }
  model->decoder = static_cast<int>(model->layers.size());
  model->layers.push_back(decoder_embeddings(*model, config));
  for (int index = 0; index < config.decoder.layers; ++index) model->layers.push_back(decoder_layer(*model, config, index));
  model->layers.push_back(language_head(*model, config));
  if (config.tied) model->tied = {"proj_out.weight"};
  return model;
}

}  // namespace thaw
