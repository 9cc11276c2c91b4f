#include "framework/models/wav2vec2_config.h"

#include <array>

#include "framework/base/error.h"
#include "framework/models/config_checks.h"

namespace thaw {
namespace {

void refuse(const JsonView& json, const char* key, const char* expected) {
  if (json.boolean_or(key, false)) json[key].fail(expected);
}

SpanMask mask_of(const JsonView& json, const std::string& axis, double share, std::int64_t least) {
  const auto key = [&](const char* what) { return fmt::format("mask_{}_{}", axis, what); };
  SpanMask mask{json.number_or(key("prob"), share), positive_or(json, key("length"), 10, 1'000'000),
                json.integer_or(key("min_masks"), least)};
  if (!(mask.share >= 0 && mask.share <= 1)) json[key("prob")].fail("a share in [0, 1]");
  if (mask.least < 0 || mask.least > 1'000'000) json[key("min_masks")].fail("an integer of at least 0");
  if (!json.boolean_or("apply_spec_augment", true)) mask.share = 0;
  return mask;
}

void read_convolutions(const JsonView& json, Wav2Vec2Config& c) {
  c.channels = positive_list(json, "conv_dim", {512, 512, 512, 512, 512, 512, 512});
  c.convolutions = frame_lengths(json);
  if (c.channels.size() != c.convolutions.kernels.size())
    json["conv_dim"].fail(fmt::format("{} numbers, as conv_kernel has", c.convolutions.kernels.size()));
  const std::string norm = json.text_or("feat_extract_norm", "group");
  if (norm != "group" && norm != "layer") json["feat_extract_norm"].fail("\"group\" or \"layer\"");
  c.norms_over_time = norm == "group";
  c.convolution_bias = json.boolean_or("conv_bias", false);
  c.convolution_activation = activation_named(json.text_or("feat_extract_activation", "gelu"), json.where());
  c.normed_features = json.boolean_or("feat_proj_layer_norm", true);
  c.position_kernel = positive_or(json, "num_conv_pos_embeddings", 128);
  c.position_groups = positive_or(json, "num_conv_pos_embedding_groups", 16);
  if (c.width % c.position_groups != 0) json["num_conv_pos_embedding_groups"].fail(fmt::format("a divisor of hidden_size {}", c.width));
}

void read_dropouts(const JsonView& json, const HeadSpec& head, Wav2Vec2Config& c) {
  const auto dropout = [&](const char* key) { return head.dropout >= 0 ? head.dropout : probability_or(json, key, 0.1); };
  c.hidden_dropout = dropout("hidden_dropout");
  c.attention_dropout = dropout("attention_dropout");
  c.activation_dropout = dropout("activation_dropout");
  c.final_dropout = dropout("final_dropout");
  c.features_dropout = probability_or(json, "feat_proj_dropout", 0);
  c.layer_drop = probability_or(json, "layerdrop", 0.1);
  c.time_mask = mask_of(json, "time", 0.05, 2);
  c.feature_mask = mask_of(json, "feature", 0, 0);
}

void read_buckets(const JsonView& json, Wav2Vec2Config& c) {
  c.buckets = positive_or(json, "num_buckets", 320);
  c.bucket_distance = positive_or(json, "max_bucket_distance", 800);
  if (c.buckets % 4 != 0) json["num_buckets"].fail("a multiple of 4");
  if (c.bucket_distance <= c.buckets / 4) json["max_bucket_distance"].fail(fmt::format("more than a quarter of num_buckets {}", c.buckets));
}

// What changes the mathematics and is not built.
void refuse_others(const JsonView& json, const HeadSpec& head, const Wav2Vec2Config& c) {
  refuse(json, "add_adapter", "false: adapters are not built");
  refuse(json, "conv_pos_batch_norm", "false: batch norm is not built");
  if (json.has("adapter_attn_dim")) json["adapter_attn_dim"].fail("null: adapters are not built");
  if (head.kind == Head::classification) refuse(json, "use_weighted_layer_sum", "false: a sum over layers is not built");
  if (head.kind == Head::language)
    throw ModelError("{}: model_type: '{}' has no decoder; ask for a head of classification or ctc", json.where(), c.architecture);
}

}  // namespace

Wav2Vec2Config read_wav2vec2_config(const JsonView& json, const HeadSpec& head, const std::string& architecture) {
  Wav2Vec2Config c{};
  c.architecture = architecture;
  c.prefix = architecture + ".";
  c.width = positive_or(json, "hidden_size", 768);
  c.layers = positive_or(json, "num_hidden_layers", 12, most_layers);
  c.heads = positive_or(json, "num_attention_heads", 12);
  c.inner = positive_or(json, "intermediate_size", 3072);
  c.projection = positive_or(json, "classifier_proj_size", 256);
  c.eps = json.number_or("layer_norm_eps", 1e-5);
  c.norm_first = json.boolean_or("do_stable_layer_norm", false);
  c.activation = activation_named(json.text_or("hidden_act", "gelu"), json.where());
  if (c.width % c.heads != 0) json["num_attention_heads"].fail(fmt::format("a divisor of hidden_size {}", c.width));
  read_convolutions(json, c);
  read_dropouts(json, head, c);
  if (architecture == "wavlm") read_buckets(json, c);
  refuse_others(json, head, c);
  return c;
}

}  // namespace thaw
