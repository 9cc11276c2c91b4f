#include "framework/models/whisper_config.h"

#include <fmt/format.h>

#include <string>

namespace thaw {

WhisperConfig read_whisper_config(const JsonView& json) {
  const auto positive = [&](const char* key, std::int64_t most = 1'000'000'000) {
    const std::int64_t value = json[key].integer();
    if (value <= 0 || value > most) json[key].fail(fmt::format("an integer from 1 to {}", most));
    return value;
  };
  const auto probability = [&](const char* key) {
    const double value = json.number_or(key, 0);
    if (!(value >= 0 && value < 1)) json[key].fail("a probability in [0, 1)");
    return value;
  };
  WhisperConfig c{};
  c.width = positive("d_model");
  const auto side = [&](const std::string& name) {
    const std::string heads = name + "_attention_heads";
    const WhisperConfig::Side read{positive((name + "_layers").c_str(), 1000), positive(heads.c_str()),
                                   positive((name + "_ffn_dim").c_str()), probability((name + "_layerdrop").c_str())};
    if (c.width % read.heads != 0) json[heads].fail(fmt::format("a divisor of d_model {}", c.width));
    return read;
  };
  c.encoder = side("encoder");
  c.decoder = side("decoder");
  c.mels = positive("num_mel_bins");
  c.vocabulary = positive("vocab_size");
  c.padding_id = json.integer_or("pad_token_id", -1);
  c.source_positions = positive("max_source_positions");
  c.target_positions = positive("max_target_positions");
  c.dropout = probability("dropout");
  c.attention_dropout = probability("attention_dropout");
  c.activation_dropout = probability("activation_dropout");
  c.tied = json.boolean_or("tie_word_embeddings", true);
  c.activation = activation_named(json.text_or("activation_function", "gelu"), json.where());
  if (c.padding_id < -1 || c.padding_id >= c.vocabulary) json["pad_token_id"].fail(fmt::format("a token id below {}", c.vocabulary));
  return c;
}

}  // namespace thaw
