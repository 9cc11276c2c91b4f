#include "framework/models/bert.h"

#include <cmath>

#include "framework/base/error.h"
#include "framework/models/config_checks.h"
#include "framework/models/declare.h"
#include "framework/nn/ops.h"

namespace thaw {
namespace {

struct BertConfig {
  std::int64_t width, layers, heads, inner, vocabulary, positions, types;
  double eps, hidden_dropout, attention_dropout, classifier_dropout;
  Activation activation;
};

BertConfig read_config(const JsonView& json, const HeadSpec& head) {
  const auto dropout = [&](const char* key, double otherwise) {
    return head.dropout >= 0 ? head.dropout : probability_or(json, key, otherwise);
  };
  BertConfig c{};
  c.width = positive(json, "hidden_size");
  c.layers = checked_positive(json["num_hidden_layers"], most_layers);
  c.heads = positive(json, "num_attention_heads");
  c.inner = positive(json, "intermediate_size");
  c.vocabulary = positive(json, "vocab_size");
  c.positions = positive(json, "max_position_embeddings");
  c.types = positive_or(json, "type_vocab_size", 2);
  c.eps = json.number_or("layer_norm_eps", 1e-12);
  c.activation = activation_named(json.text_or("hidden_act", "gelu"), json.where());
  c.hidden_dropout = dropout("hidden_dropout_prob", 0.1);
  c.attention_dropout = dropout("attention_probs_dropout_prob", 0.1);
  c.classifier_dropout = dropout("classifier_dropout", c.hidden_dropout);
  if (c.width % c.heads != 0) json["num_attention_heads"].fail(fmt::format("a divisor of hidden_size {}", c.width));
  if (json.text_or("position_embedding_type", "absolute") != "absolute") json["position_embedding_type"].fail("\"absolute\"");
  if (json.boolean_or("is_decoder", false)) json["is_decoder"].fail("false: an encoder");
  if (head.kind != Head::classification) throw ModelError("{}: model_type: 'bert' has a head of classification alone", json.where());
  return c;
}

Layer embeddings(Model& model, const BertConfig& c) {
  const Declare declare{model, "bert.embeddings.", 0};
  const Parameter& word = declare.add("word_embeddings.weight", {c.vocabulary, c.width}, Role::embedding);
  const Parameter& position = declare.add("position_embeddings.weight", {c.positions, c.width}, Role::embedding);
  const Parameter& type = declare.add("token_type_embeddings.weight", {c.types, c.width}, Role::embedding);
  const Norm norm = declare.norm("LayerNorm", c.width, c.eps);
  return {
      "embeddings", [=, &word, &position, &type](const Packed& in, const Context& context) {
        const auto look_up = [](const at::Tensor& ids, const Parameter& table) { return thaw::embedding(pad_tokens(ids), table.working); };
        const at::Tensor sum = look_up(context.input_ids, word) + look_up(context.token_types, type) + look_up(context.positions, position);
        const at::Tensor normed = norm(sum);
        return Packed{dropout(normed, context.site(c.hidden_dropout, 0, 0)), in.cu_seqlens, in.max_length};
      }};
}

// The last layer keeps the first token of each row alone, as the head reads no other: all tokens are still looked at.
Layer encoder_layer(Model& model, const BertConfig& c, int index) {
  const bool last = index + 1 == c.layers;
  const int group = index + 1;
  const std::string name = fmt::format("encoder.layer.{}", index);
  const Declare declare{model, fmt::format("bert.{}.", name), group, /*keep_fp32=*/false, /*of_first_tokens=*/last},
      every_token{model, declare.prefix, group};
  const Linear query = declare.linear("attention.self.query", c.width, c.width);
  const Linear key = every_token.linear("attention.self.key", c.width, c.width);
  const Linear value = every_token.linear("attention.self.value", c.width, c.width);
  const Linear project = declare.linear("attention.output.dense", c.width, c.width);
  const Norm norm1 = declare.norm("attention.output.LayerNorm", c.width, c.eps);
  const Linear up = declare.linear("intermediate.dense", c.width, c.inner);
  const Linear down = declare.linear("output.dense", c.inner, c.width);
  const Norm norm2 = declare.norm("output.LayerNorm", c.width, c.eps);
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.width / c.heads));
  return {name,
          [=](const Packed& in, const Context& context) {
            const at::Tensor x = in.values.to(query.weight->working.scalar_type());
            const auto heads = [&](const at::Tensor& t) { return t.view({t.size(0), c.heads, c.width / c.heads}); };
            const at::Tensor kept = last ? first_tokens(x, in.cu_seqlens) : x;
            const at::Tensor mixed = attention(heads(query(kept)), heads(key(x)), heads(value(x)), in.cu_seqlens, scale,
                                               context.site(c.attention_dropout, group, 0));
            const auto residual_norm = [&](const at::Tensor& branch, const at::Tensor& residual, const Norm& norm, int use) {
              const RandomSite site = last ? context.row_site(c.hidden_dropout, group, use) : context.site(c.hidden_dropout, group, use);
              return dropout_add_layer_norm(branch, residual, norm.gamma->working, norm.beta->working, norm.eps, site);
            };
            const at::Tensor attended = residual_norm(project(mixed.view({kept.size(0), c.width})), kept, norm1, 1);
            Packed out = last ? rows_of_one(in.cu_seqlens.size() - 1) : Packed{{}, in.cu_seqlens, in.max_length};
            out.values = residual_norm(down(activate(up(attended), c.activation)), attended, norm2, 2);
            return out;
          },
          /*gives_first_tokens=*/last};
}

// The pooler (first token, dense, tanh) and the classifier, in fp32: a row costs next to nothing here.
Layer classification_head(Model& model, const BertConfig& c, std::int64_t outputs) {
  const int group = static_cast<int>(c.layers) + 1;
  const Declare declare{model, "", group, /*keep_fp32=*/true, /*of_first_tokens=*/true};
  const Linear pooler = declare.linear("bert.pooler.dense", c.width, c.width);
  const Linear classifier = declare.linear("classifier", c.width, outputs);
  return {"head", [=](const Packed& in, const Context& context) {
            const at::Tensor pooled = at::tanh(pooler(in.values.to(at::kFloat)));
            return Packed{classifier(dropout(pooled, context.row_site(c.classifier_dropout, group, 0))), in.cu_seqlens, 1};
          }};
}

}  // namespace

std::unique_ptr<Model> build_bert(const JsonView& json, const HeadSpec& head) {
  const BertConfig config = read_config(json, head);
  auto model = std::make_unique<Model>();
  model->architecture = "bert";
  model->export_class = "BertForSequenceClassification";
  model->config = json.raw();
  model->vocabulary_size = config.vocabulary;
  model->max_positions = config.positions;
  model->token_types = config.types;
  model->width = config.width;
  model->layers.push_back(embeddings(*model, config));
  for (int index = 0; index < config.layers; ++index) model->layers.push_back(encoder_layer(*model, config, index));
  model->layers.push_back(classification_head(*model, config, head.outputs));
  return model;
}

}  // namespace thaw
