#include "framework/train/missing_files.h"

#include <algorithm>

#include "datasets/audio/log_mel.h"
#include "datasets/tokenizers/ctc_vocabulary.h"
#include "datasets/tokenizers/whisper_tokens.h"
#include "framework/base/json.h"
#include "framework/train/inputs/audio_inputs.h"

namespace thaw {
namespace {

// What transformers' feature extractors read, for a model whose directory says nothing. wav2vec2's bases, whose convolutions are
// normalised over time, were trained without masks of attention; the others with them.
std::string usual_preprocessor(const DataModel& model) {
  OrderedJson file{{"feature_extractor_type", "Wav2Vec2FeatureExtractor"},
                   {"feature_size", 1},
                   {"sampling_rate", heard_rate},
                   {"padding_value", 0.0},
                   {"padding_side", "right"}};
  if (model.is("whisper")) {
    const audio::LogMelConfig config;
    file.update({{"feature_extractor_type", "WhisperFeatureExtractor"},
                 {"feature_size", model.config.value("num_mel_bins", config.mels)},
                 {"hop_length", 160},
                 {"n_fft", 400},
                 {"chunk_length", 30},
                 {"return_attention_mask", false}});
  } else {
    file.update({{"do_normalize", true}, {"return_attention_mask", model.config.value("feat_extract_norm", "group") == "layer"}});
  }
  return file.dump(2) + "\n";
}

}  // namespace

std::map<std::string, std::string> missing_files(const DataModel& model) {
  for (const char* file : {"preprocessor_config.json", "processor_config.json"})
    if (fs::exists(model.directory / file)) return {};
  return {{"preprocessor_config.json", usual_preprocessor(model)}};
}

std::map<std::string, std::string> missing_generation(const Recipe& recipe, const DataModel& model, const Tokenizer& tokenizer) {
  if (!model.is("whisper") || dynamic_cast<const CtcVocabulary*>(&tokenizer) != nullptr ||
      fs::exists(model.directory / "generation_config.json"))
    return {};
  const WhisperTokens tokens(std::shared_ptr<const Tokenizer>(&tokenizer, [](const Tokenizer*) {}));
  const std::uint32_t end = tokens.end_of_text, start = tokens.start_of_transcript;
  std::vector<std::uint32_t> suppressed = tokens.non_speech();
  suppressed.insert(suppressed.end(),
                    {start, tokens.translate, tokens.transcribe, tokens.start_of_lm, tokens.start_of_prev, tokens.no_speech});
  std::sort(suppressed.begin(), suppressed.end());
  std::vector<std::uint32_t> never_first = tokens.encode(" ");
  never_first.push_back(end);
  OrderedJson file{{"begin_suppress_tokens", never_first},
                   {"bos_token_id", end},
                   {"decoder_start_token_id", start},
                   {"eos_token_id", end},
                   {"is_multilingual", tokens.multilingual()},
                   {"max_initial_timestamp_index", 50},
                   {"max_length", model.config.value("max_target_positions", 448)},
                   {"no_timestamps_token_id", tokens.no_timestamps},
                   {"pad_token_id", end},
                   {"prev_sot_token_id", tokens.start_of_prev},
                   {"return_timestamps", false},
                   {"suppress_tokens", suppressed}};
  // CTranslate2 keeps them in its config.json.
  if (const fs::path own = model.directory / "config.json"; fs::exists(own))
    if (const JsonFile config(own); config.view().has("alignment_heads")) file["alignment_heads"] = config.raw()["alignment_heads"];
  if (tokens.multilingual()) {
    const auto own = tokens.language_token(recipe.data.audio.language);
    for (const WhisperLanguage& language : tokens.languages()) {
      const std::string token = fmt::format("<|{}|>", language.code);
      file["lang_to_id"][token] = language.token;
      if (own == language.token) file["language"] = token;
    }
    file["task_to_id"] = {{"transcribe", tokens.transcribe}, {"translate", tokens.translate}};
    file["task"] = recipe.speech.translate ? "translate" : "transcribe";
  }
  return {{"generation_config.json", file.dump(2) + "\n"}};
}

}  // namespace thaw
