#include "framework/models/whisper_config.h"

#include "framework/models/config_checks.h"

namespace thaw {

WhisperConfig read_whisper_config(const JsonView& json) {
  WhisperConfig c{};
  c.width = positive(json, "d_model");
  const auto side = [&](const std::string& name) {
    const std::string heads = name + "_attention_heads";
    const WhisperConfig::Side read{checked_positive(json[name + "_layers"], most_layers), positive(json, heads),
                                   positive(json, name + "_ffn_dim"), probability_or(json, name + "_layerdrop", 0)};
    if (c.width % read.heads != 0) json[heads].fail(fmt::format("a divisor of d_model {}", c.width));
    return read;
  };
  c.encoder = side("encoder");
  c.decoder = side("decoder");
  c.mels = positive(json, "num_mel_bins");
  c.vocabulary = positive(json, "vocab_size");
  c.padding_id = json.integer_or("pad_token_id", -1);
  c.source_positions = positive(json, "max_source_positions");
  c.target_positions = positive(json, "max_target_positions");
  c.dropout = probability_or(json, "dropout", 0);
  c.attention_dropout = probability_or(json, "attention_dropout", 0);
  c.activation_dropout = probability_or(json, "activation_dropout", 0);
  c.tied = json.boolean_or("tie_word_embeddings", true);
  c.activation = activation_named(json.text_or("activation_function", "gelu"), json.where());
  if (c.padding_id < -1 || c.padding_id >= c.vocabulary) json["pad_token_id"].fail(fmt::format("a token id below {}", c.vocabulary));
  return c;
}

}  // namespace thaw
