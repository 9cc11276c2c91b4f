#include "framework/models/whisper_names.h"

#include <set>

#include "framework/base/error.h"

namespace thaw {
namespace {

// One weight-bearing part: the hub's name for it, OpenAI's, and CTranslate2's, where it may be one of several that are fused by rows.
struct Part {
  const char *hub, *openai, *ctranslate2;
  int place = 0, fused = 1;
  enum { linear, no_bias, norm, weight_only, table } kind = linear;
};

constexpr Part of_model[] = {
    {"encoder.conv1", "encoder.conv1", "encoder/conv1"},
    {"encoder.conv2", "encoder.conv2", "encoder/conv2"},
    {"encoder.embed_positions", "encoder.positional_embedding", "encoder/position_encodings/encodings", 0, 1, Part::table},
    {"encoder.layer_norm", "encoder.ln_post", "encoder/layer_norm", 0, 1, Part::norm},
    {"decoder.embed_tokens", "decoder.token_embedding", "decoder/embeddings", 0, 1, Part::weight_only},
    {"decoder.embed_positions", "decoder.positional_embedding", "decoder/position_encodings/encodings", 0, 1, Part::table},
    {"decoder.layer_norm", "decoder.ln", "decoder/layer_norm", 0, 1, Part::norm},
};

// Of each layer, behind encoder.layers.N (hub), encoder.blocks.N (OpenAI) and encoder/layer_N (CTranslate2).
constexpr Part of_layer[] = {
    {"self_attn.q_proj", "attn.query", "self_attention/linear_0", 0, 3},
    {"self_attn.k_proj", "attn.key", "self_attention/linear_0", 1, 3, Part::no_bias},
    {"self_attn.v_proj", "attn.value", "self_attention/linear_0", 2, 3},
    {"self_attn.out_proj", "attn.out", "self_attention/linear_1"},
    {"self_attn_layer_norm", "attn_ln", "self_attention/layer_norm", 0, 1, Part::norm},
    {"fc1", "mlp.0", "ffn/linear_0"},
    {"fc2", "mlp.2", "ffn/linear_1"},
    {"final_layer_norm", "mlp_ln", "ffn/layer_norm", 0, 1, Part::norm},
};

constexpr Part of_decoder_layer[] = {
    {"encoder_attn.q_proj", "cross_attn.query", "attention/linear_0"},
    {"encoder_attn.k_proj", "cross_attn.key", "attention/linear_1", 0, 2, Part::no_bias},
    {"encoder_attn.v_proj", "cross_attn.value", "attention/linear_1", 1, 2},
    {"encoder_attn.out_proj", "cross_attn.out", "attention/linear_2"},
    {"encoder_attn_layer_norm", "cross_attn_ln", "attention/layer_norm", 0, 1, Part::norm},
};

constexpr const char* openai_prefix = "model_state_dict/";
// The vocabulary of the multilingual models; those of English alone have one token less (whisper/model.py: is_multilingual).
constexpr std::int64_t multilingual_vocabulary = 51865;
constexpr std::int64_t gelu = 3;  // of CTranslate2's Activation

enum class Format { openai, ctranslate2 };

class Renamer {
 public:
  Renamer(const Weights& weights, Format format) : weights_(&weights), format_(format) {}

  Weights renamed() {
    for (const Part& part : of_model) add(part, "", "");
    for (const char* side : {"encoder", "decoder"}) {
      for (int n = 0; has_layer(side, n); ++n) {
        const std::string hub = fmt::format("{}.layers.{}.", side, n), stored = stored_layer(side, n);
        for (const Part& part : of_layer) add(part, hub, stored);
        if (side == std::string("decoder"))
          for (const Part& part : of_decoder_layer) add(part, hub, stored);
      }
    }
    if (format_ == Format::ctranslate2 && !output_is_embedding()) put("proj_out.weight", "decoder/projection/weight", 0, 1);
    // What else there is shows up under its own name, among the weights that the model does not read.
    for (const std::string& name : weights_->names())
      if (!used_.contains(name) && !accounted_for(name)) names_[name] = {name};
    return weights_->renamed(names_);
  }

 private:
  std::string stored_layer(const std::string& side, int n) const {
    return format_ == Format::openai ? fmt::format("{}.blocks.{}.", side, n) : fmt::format("{}/layer_{}/", side, n);
  }
  bool has_layer(const std::string& side, int n) const {
    const std::string begin = stored_layer(side, n);
    return weights_->has(format_ == Format::openai ? openai_prefix + begin + "attn.query.weight"
                                                   : begin + "self_attention/linear_0/weight");
  }

  bool output_is_embedding() const {
    const Json& aliases = weights_->values()["aliases"];
    return aliases.value("decoder/projection/weight", "") == "decoder/embeddings/weight";
  }
  // CTranslate2's settings and scales, and the output's weights where they are the embedding's.
  bool accounted_for(const std::string& name) const {
    return format_ == Format::ctranslate2 &&
           (name.ends_with("_scale") || name == "decoder/projection/weight" || weights_->shape(name).empty());
  }

  void add(const Part& part, const std::string& hub_layer, const std::string& stored_layer) {
    const std::string hub = fmt::format("model.{}{}", hub_layer, part.hub);
    if (format_ == Format::openai) {
      const std::string stored = openai_prefix + stored_layer + part.openai;
      if (part.kind == Part::table) return put(hub + ".weight", stored, 0, 1);
      put(hub + ".weight", stored + ".weight", 0, 1);
      if (part.kind == Part::linear || part.kind == Part::norm) put(hub + ".bias", stored + ".bias", 0, 1);
      return;
    }
    const std::string stored = stored_layer + part.ctranslate2;
    if (part.kind == Part::table) return put(hub + ".weight", stored, 0, 1);
    if (part.kind == Part::norm) return put(hub + ".weight", stored + "/gamma", 0, 1), put(hub + ".bias", stored + "/beta", 0, 1);
    put(hub + ".weight", stored + "/weight", part.place, part.fused);
    // A bias of all keys alike adds the same to every score of a query, which softmax does not see: none is needed.
    if (part.kind == Part::no_bias) used_.insert(stored + "/bias");
    if (part.kind == Part::linear) put(hub + ".bias", stored + "/bias", part.place, part.fused);
  }

  void put(const std::string& hub, const std::string& stored, int place, int fused) {
    used_.insert(stored);
    Weights::Source source{stored};
    if (fused > 1) {
      if (!weights_->has(stored)) throw ModelError("{}: expected a tensor '{}', which is missing", weights_->where(), stored);
      const std::vector<std::int64_t> whole = weights_->shape(stored);
      const std::int64_t rows = whole.empty() ? 0 : whole[0];
      if (rows % fused != 0 || rows == 0)
        throw ModelError("{}: {}: expected rows for {} projections, found {}", weights_->where(), stored, fused, rows);
      source.rows = rows / fused;
      source.first = place * source.rows;
    }
    names_[hub] = source;
  }

  const Weights* weights_;
  Format format_;
  std::map<std::string, Weights::Source> names_;
  std::set<std::string> used_;
};

std::int64_t size_of(const Weights& weights, const std::string& name, std::size_t dimension) {
  const std::vector<std::int64_t> shape = weights.shape(name);
  if (shape.size() <= dimension)
    throw ModelError("{}: {}: expected at least {} dimensions, found shape [{}]", weights.where(), name, dimension + 1,
                     fmt::join(shape, ", "));
  return shape[dimension];
}

std::int64_t layers_of(const Weights& weights, const std::string& side) {
  std::int64_t n = 0;
  while (weights.has(fmt::format("model.{}.layers.{}.fc1.weight", side, n))) ++n;
  if (n == 0) throw ModelError("{}: the {} has no layers: is it a Whisper?", weights.where(), side);
  return n;
}

// The config.json that openai/whisper-* have on the hub, of these shapes.
Json config_of(const Weights& weights, std::int64_t encoder_heads, std::int64_t decoder_heads) {
  const std::int64_t vocabulary = size_of(weights, "model.decoder.embed_tokens.weight", 0);
  const std::int64_t end_of_text = vocabulary >= multilingual_vocabulary ? 50257 : 50256;
  return {{"model_type", "whisper"},
          {"architectures", {"WhisperForConditionalGeneration"}},
          {"is_encoder_decoder", true},
          {"vocab_size", vocabulary},
          {"num_mel_bins", size_of(weights, "model.encoder.conv1.weight", 1)},
          {"d_model", size_of(weights, "model.decoder.embed_tokens.weight", 1)},
          {"encoder_layers", layers_of(weights, "encoder")},
          {"encoder_attention_heads", encoder_heads},
          {"encoder_ffn_dim", size_of(weights, "model.encoder.layers.0.fc1.weight", 0)},
          {"decoder_layers", layers_of(weights, "decoder")},
          {"decoder_attention_heads", decoder_heads},
          {"decoder_ffn_dim", size_of(weights, "model.decoder.layers.0.fc1.weight", 0)},
          {"max_source_positions", size_of(weights, "model.encoder.embed_positions.weight", 0)},
          {"max_target_positions", size_of(weights, "model.decoder.embed_positions.weight", 0)},
          {"activation_function", "gelu"},
          {"scale_embedding", false},
          {"tie_word_embeddings", !weights.has("proj_out.weight")},
          {"decoder_start_token_id", end_of_text + 1},
          {"bos_token_id", end_of_text},
          {"eos_token_id", end_of_text},
          {"pad_token_id", end_of_text},
          {"begin_suppress_tokens", {220, end_of_text}}};  // a blank, and the end, as a transcript's first token
}

HubModel from_openai(const Weights& weights) {
  const JsonView dims = JsonView(weights.values(), weights.where())["dims"];
  HubModel made{Json(), Renamer(weights, Format::openai).renamed()};
  made.config = config_of(made.weights, dims["n_audio_head"].integer(), dims["n_text_head"].integer());
  const std::pair<const char*, const char*> sizes[] = {{"n_mels", "num_mel_bins"},
                                                       {"n_vocab", "vocab_size"},
                                                       {"n_audio_ctx", "max_source_positions"},
                                                       {"n_text_ctx", "max_target_positions"},
                                                       {"n_audio_state", "d_model"},
                                                       {"n_text_state", "d_model"},
                                                       {"n_audio_layer", "encoder_layers"},
                                                       {"n_text_layer", "decoder_layers"}};
  for (const auto& [theirs, ours] : sizes)
    if (dims[theirs].integer() != made.config[ours].get<std::int64_t>())
      dims[theirs].fail(fmt::format("{}, as the weights have", made.config[ours].get<std::int64_t>()));
  return made;
}

HubModel from_ctranslate2(const Weights& weights) {
  const auto setting = [&](const std::string& name, std::int64_t usual) {
    if (!weights.has(name)) return usual;
    const at::Tensor value = weights.tensor(name);
    return value.numel() == 1 ? value.item().toLong() : -1;
  };
  const auto expect = [&](const std::string& name, std::int64_t wanted) {
    if (const std::int64_t found = setting(name, wanted); found != wanted)
      throw ModelError("{}: {}: expected {}, as all of OpenAI's Whispers have, found {}", weights.where(), name, wanted, found);
  };
  expect("decoder/activation", gelu);
  expect("decoder/pre_norm", 1);
  for (const char* off : {"decoder/alibi", "decoder/scale_embeddings", "decoder/start_from_zero_embedding"}) expect(off, 0);
  HubModel made{Json(), Renamer(weights, Format::ctranslate2).renamed()};
  made.config = config_of(made.weights, setting("encoder/num_heads", 0), setting("decoder/num_heads", 0));
  return made;
}

}  // namespace

std::optional<HubModel> whisper_under_hub_names(const Weights& weights) {
  const Json& said = weights.values();
  try {
    if (said.contains("dims") && weights.has(std::string(openai_prefix) + "decoder.token_embedding.weight")) return from_openai(weights);
    if (said.contains("spec") && said["spec"] == "WhisperSpec") return from_ctranslate2(weights);
  } catch (const DataError& error) {  // of a JSON view
    throw ModelError("{}", error.what());
  }
  return std::nullopt;
}

}  // namespace thaw
