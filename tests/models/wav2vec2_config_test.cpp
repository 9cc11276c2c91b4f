// Configurations that lie, lengths in frames, masks and layers left out: what needs no reference to run.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "framework/base/error.h"
#include "framework/models/registry.h"
#include "framework/models/spec_augment.h"
#include "framework/models/wav2vec2.h"
#include "framework/models/wavlm_attention.h"

namespace thaw {
namespace {

Json small(const char* type) {
  return {{"model_type", type},           {"hidden_size", 24},
          {"num_hidden_layers", 2},       {"num_attention_heads", 4},
          {"intermediate_size", 40},      {"conv_dim", {12, 16}},
          {"conv_kernel", {10, 3}},       {"conv_stride", {5, 2}},
          {"num_conv_pos_embeddings", 6}, {"num_conv_pos_embedding_groups", 3}};
}

std::string refusal(const Json& config, const HeadSpec& head = {}) {
  try {
    build_model(JsonView(config, "config.json"), head);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_data);
    return error.what();
  }
  return "accepted";
}

std::string with(const char* key, Json value, const char* type = "wav2vec2", const HeadSpec& head = {}) {
  Json config = small(type);
  config[key] = std::move(value);
  return refusal(config, head);
}

TEST(Wav2Vec2Refusal, NamesKeyExpectedAndFound) {
  for (const char* type : {"wav2vec2", "hubert", "wavlm"})
    for (const Head kind : {Head::classification, Head::ctc}) EXPECT_EQ(refusal(small(type), {7, -1, kind}), "accepted") << type;
  EXPECT_EQ(with("hidden_size", "large"), "config.json: hidden_size: expected an integer, found \"large\"");
  EXPECT_EQ(with("num_attention_heads", 5), "config.json: num_attention_heads: expected a divisor of hidden_size 24, found 5");
  EXPECT_EQ(with("num_hidden_layers", 0), "config.json: num_hidden_layers: expected an integer from 1 to 1000, found 0");
  EXPECT_EQ(with("conv_dim", {8, 8, 8}), "config.json: conv_dim: expected 2 numbers, as conv_kernel has, found [8,8,8]");
  EXPECT_EQ(with("conv_stride", {8}), "config.json: conv_stride: expected 2 numbers, as conv_kernel has, found [8]");
  EXPECT_EQ(with("conv_kernel", 3), "config.json: conv_kernel: expected a list of numbers, one a convolution, found 3");
  EXPECT_EQ(with("conv_stride", {0, 2}), "config.json: conv_stride[0]: expected an integer from 1 to 1000000, found 0");
  EXPECT_EQ(with("conv_stride", {2000, 2000}),
            "config.json: conv_stride: expected strides whose product is at most 1,000,000, found [2000,2000]");
  EXPECT_EQ(with("feat_extract_norm", "batch"), "config.json: feat_extract_norm: expected \"group\" or \"layer\", found \"batch\"");
  EXPECT_EQ(with("num_conv_pos_embedding_groups", 5),
            "config.json: num_conv_pos_embedding_groups: expected a divisor of hidden_size 24, found 5");
  EXPECT_EQ(with("layerdrop", 1), "config.json: layerdrop: expected a probability in [0, 1), found 1");
  EXPECT_EQ(with("mask_time_prob", 1.2), "config.json: mask_time_prob: expected a share in [0, 1], found 1.2");
  EXPECT_EQ(with("mask_feature_length", 0), "config.json: mask_feature_length: expected an integer from 1 to 1000000, found 0");
  EXPECT_EQ(with("add_adapter", true), "config.json: add_adapter: expected false: adapters are not built, found true");
  EXPECT_EQ(with("adapter_attn_dim", 16), "config.json: adapter_attn_dim: expected null: adapters are not built, found 16");
  EXPECT_EQ(with("conv_pos_batch_norm", true, "hubert"),
            "config.json: conv_pos_batch_norm: expected false: batch norm is not built, found true");
  EXPECT_EQ(with("use_weighted_layer_sum", true),
            "config.json: use_weighted_layer_sum: expected false: a sum over layers is not built, found true");
  EXPECT_EQ(with("use_weighted_layer_sum", true, "wav2vec2", {7, -1, Head::ctc}), "accepted") << "the CTC head has none";
  EXPECT_EQ(with("num_buckets", 30, "wavlm"), "config.json: num_buckets: expected a multiple of 4, found 30");
  EXPECT_EQ(with("max_bucket_distance", 80, "wavlm"),
            "config.json: max_bucket_distance: expected more than a quarter of num_buckets 320, found 80");
  EXPECT_EQ(refusal(small("wav2vec2"), {7, -1, Head::language}),
            "config.json: model_type: 'wav2vec2' has no decoder; ask for a head of classification or ctc");
}

TEST(Wav2Vec2, NamesOfLayersAndOfTheExport) {
  const auto model = build_model(JsonView(small("hubert"), "config.json"), {7, -1, Head::ctc});
  std::vector<std::string> names;
  for (const Layer& layer : model->layers) names.push_back(layer.name);
  EXPECT_EQ(names, (std::vector<std::string>{"feature_extractor", "embeddings", "encoder.layers.0", "encoder.layers.1", "head"}));
  EXPECT_EQ(model->export_class, "HubertForCTC");
  EXPECT_EQ(model->config["vocab_size"], 7);
  EXPECT_EQ(model->vocabulary_size, 7);
  EXPECT_EQ(build_model(JsonView(small("wavlm"), "config.json"), {})->export_class, "WavLMForSequenceClassification");
  const auto wavlm = build_model(JsonView(small("wavlm"), "config.json"), {});
  EXPECT_EQ(wavlm->find("wavlm.encoder.layers.0.attention.rel_attn_embed.weight")->uses, (std::vector<int>{2, 3}));
}

// Of the published models: their frames are 20 ms apart, and 25 ms long.
TEST(FrameLengths, OfThePublishedModels) {
  const FrameLengths lengths = frame_lengths(JsonView(Json::object(), "config.json"));
  for (const auto& [samples, frames] :
       std::vector<std::array<std::int64_t, 2>>{{399, 0}, {400, 1}, {719, 1}, {720, 2}, {16000, 49}, {80000, 249}})
    EXPECT_EQ(lengths.frames_of(samples), frames) << samples;
  for (const std::int64_t frames : {1, 2, 49, 1000}) {
    EXPECT_EQ(lengths.frames_of(lengths.samples_needed(frames)), frames);
    EXPECT_EQ(lengths.frames_of(lengths.samples_needed(frames) - 1), frames - 1);
  }
}

TEST(Wav2Vec2, RefusesRowsThatAreTooShort) {
  const auto model = build_model(JsonView(small("wav2vec2"), "config.json"), {});
  for (Parameter& parameter : model->parameters) parameter.value = at::ones(parameter.value.sizes());
  model->set_precision(at::kFloat);
  Context context;
  const auto refused = [&](std::vector<std::int64_t> cu_seqlens) -> std::string {
    try {
      model->forward(std::move(cu_seqlens), context);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refused({0, 40}), "Context::features: expected 40 samples, found 0");
  context.features = at::randn({59});
  EXPECT_EQ(refused({0, 40, 59}), "row 1 of a pass has 19 samples, but wav2vec2 needs at least 20: leave such rows out");
  EXPECT_EQ(refused({0, 39, 59}), "accepted");
  EXPECT_EQ(refused({0, 39, 60}), "Context::features: expected 60 samples, found 59");
}

// transformers' _compute_mask_indices: int(share · length / span + a number in [0, 1)) spans, at distinct places, in a row.
TEST(MaskedSpans, AreAsManyAndAsLongAsAskedFor) {
  const SpanMask mask{0.3, 10, 2};
  const std::int64_t rows = 3000;
  std::vector<std::int64_t> cu_seqlens{0};
  for (std::int64_t row = 0; row < rows; ++row) cu_seqlens.push_back(cu_seqlens.back() + 95);
  const at::Tensor masked = masked_spans(mask, cu_seqlens, {0.3, 77, 0}).view({rows, 95});
  // 2.85 spans of ten on 86 places. A frame is masked where a span begins on it or on one of the nine before it: frames in
  // the middle have ten such places.
  const double two = 1 - 76.0 / 86 * 75 / 85, three = 1 - 76.0 / 86 * 75 / 85 * 74 / 84;
  const at::Tensor share = masked.to(at::kDouble).mean(0);
  for (const std::int64_t frame : {20, 47, 80}) EXPECT_NEAR(share[frame].item<double>(), 0.15 * two + 0.85 * three, 0.04) << frame;
  EXPECT_NEAR(share[0].item<double>(), 2.85 / 86, 0.015);
  EXPECT_NEAR(share[94].item<double>(), 2.85 / 86, 0.015);
  // A row alone has what it has among others; another step has other masks.
  EXPECT_TRUE(at::equal(masked[40], masked_spans(mask, {0, 95}, {0.3, 77, 40})));
  EXPECT_FALSE(at::equal(masked, masked_spans(mask, cu_seqlens, {0.3, 78, 0}).view({rows, 95})));
  // Too short for a span; none beyond what fits; none while not training.
  EXPECT_EQ(masked_spans(mask, {0, 9}, {0.3, 1, 0}).sum().item<std::int64_t>(), 0);
  EXPECT_EQ(masked_spans(mask, {0, 10}, {0.3, 1, 0}).sum().item<std::int64_t>(), 10);
  const auto crowded = masked_spans({1, 10, 50}, {0, 20}, {0.3, 1, 0}).sum().item<std::int64_t>();
  EXPECT_TRUE(crowded > 10 && crowded <= 20) << "two spans, not fifty: " << crowded;
  EXPECT_EQ(masked_spans(mask, {0, 95}, {}).sum().item<std::int64_t>(), 0);
}

TEST(WavLm, BucketsOfDistances) {
  const at::Tensor buckets = distance_buckets(1000, 320, 800);
  const auto of = [&](std::int64_t distance) { return buckets[distance + 999].item<std::int64_t>(); };
  EXPECT_EQ(of(0), 0);
  EXPECT_EQ(of(-79), 79);
  EXPECT_EQ(of(79), 160 + 79);
  EXPECT_EQ(of(-999), 159);
  EXPECT_EQ(of(999), 319);
  EXPECT_EQ(of(-253), 80 + static_cast<std::int64_t>(std::log(253 / 80.0) / std::log(10.0) * 80));
  for (std::int64_t distance = 1; distance < 1000; ++distance) EXPECT_EQ(of(distance), of(-distance) + 160);
}

// A step leaves out a share of the blocks, all its passes the same ones; what is left out has no gradient.
TEST(Wav2Vec2, LayerdropIsOfAStep) {
  at::set_num_threads(1);
  for (const char* type : {"wav2vec2", "wavlm"}) {
    Json config = small(type);
    config["layerdrop"] = 0.5;
    config["num_hidden_layers"] = 4;
    const auto model = build_model(JsonView(config, "config.json"), {});
    at::manual_seed(1);
    for (Parameter& parameter : model->parameters) parameter.value = at::randn(parameter.value.sizes()) * 0.1;
    model->set_precision(at::kFloat);
    model->set_learning(std::vector<bool>(model->parameters.size(), true));
    Context context;
    context.features = at::randn({400});
    context.training = true;
    std::vector<int> dropped(4);
    constexpr int steps = 60;
    for (int step = 0; step < steps; ++step) {
      std::vector<bool> first_pass;
      for (int pass = 0; pass < 2; ++pass) {
        context.random_key = static_cast<std::uint64_t>(step);
        context.first_row = pass;
        for (Parameter& parameter : model->parameters) parameter.working.mutable_grad() = at::Tensor();
        model->forward({0, 400}, context).sum().backward();
        std::vector<bool> out;
        for (int block = 0; block < 4; ++block)
          out.push_back(!model->find(fmt::format("{}.encoder.layers.{}.attention.q_proj.weight", type, block))->working.grad().defined());
        if (pass == 0) first_pass = out;
        EXPECT_EQ(out, first_pass) << "step " << step;
      }
      for (std::size_t block = 0; block < 4; ++block) dropped[block] += first_pass[block];
    }
    for (std::size_t block = 0; block < 4; ++block) {
      const bool kept = block == 0 && std::string(type) == "wavlm";
      EXPECT_NEAR(dropped[block], kept ? 0 : steps / 2, kept ? 0 : 16) << type << block;
    }
  }
}

}  // namespace
}  // namespace thaw
