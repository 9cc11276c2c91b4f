#include "launcher/speech_model.h"

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/json.h"
#include "framework/models/hub.h"
#include "framework/models/registry.h"
#include "framework/models/whisper_config.h"
#include "framework/tasks/transcription/whisper_decoder.h"
#include "framework/tasks/transcription/whisper_tokens_vocabulary.h"

namespace thaw {
namespace {

AttentionHeads heads_in(const JsonView& config) {
  AttentionHeads heads;
  const JsonView list = config["alignment_heads"];
  for (std::size_t i = 0; i < list.size(); ++i)
    heads.emplace_back(static_cast<int>(list[i][0].integer()), static_cast<int>(list[i][1].integer()));
  return heads;
}

// As the hub publishes them, or CTranslate2; else openai-whisper's usual ones: all of the decoder's upper half.
AttentionHeads alignment_heads(const fs::path& directory, const WhisperConfig& config) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    if (!fs::exists(directory / name)) continue;
    const JsonFile file(directory / name);
    if (!file.view().has("alignment_heads")) continue;
    AttentionHeads heads = heads_in(file.view());
    for (const auto& [layer, head] : heads)
      if (layer < 0 || layer >= config.decoder.layers || head < 0 || head >= config.decoder.heads)
        file.view()["alignment_heads"].fail(fmt::format("layers below {} and heads below {}", config.decoder.layers, config.decoder.heads));
    return heads;
  }
  AttentionHeads heads;
  for (int layer = static_cast<int>(config.decoder.layers / 2); layer < config.decoder.layers; ++layer)
    for (int head = 0; head < config.decoder.heads; ++head) heads.emplace_back(layer, head);
  return heads;
}

}  // namespace

at::Tensor SpeechModel::features(const audio::Audio& recording) const {
  std::vector<float> samples = recording.samples;
  samples.resize(samples.size() + static_cast<std::size_t>(log_mel->config().chunk_samples()));
  const audio::Features found = (*log_mel)(samples, audio::LogMel::Length::actual);
  return at::from_blob(const_cast<float*>(found.values.data()), {found.frames, found.mels}).t().contiguous();
}

SpeechModel open_speech_model(const std::string& model, at::ScalarType precision) {
  const bool file = fs::is_regular_file(model);
  const fs::path path = file ? fs::path(model) : find_model(model).directory;
  const fs::path directory = file ? fs::absolute(path).parent_path() : path;
  const std::unique_ptr<Model> loaded = load_model(path, {.kind = Head::language}, 0);
  if (loaded->architecture != "whisper")
    throw ModelError("{}: transcribes with Whisper; this model is a {}", path.string(), loaded->architecture);
  loaded->set_precision(at::kFloat);
  SpeechModel out;
  out.decoder = whisper_decoder(*loaded, precision);
  const auto tokens = std::make_shared<const WhisperTokens>(std::shared_ptr<const Tokenizer>(load_tokenizer(directory)));
  out.vocabulary = whisper_vocabulary(tokens);
  out.encode = [tokens](const std::string& text) {
    const WhisperTokens::Ids ids = tokens->encode(text);
    return TokenIds(ids.begin(), ids.end());
  };
  audio::LogMelConfig features = audio::LogMelConfig::read(directory);
  features.mels = static_cast<int>(loaded->feature_width);
  out.log_mel = std::make_unique<audio::LogMel>(features);
  out.heads = alignment_heads(directory, read_whisper_config(JsonView(loaded->config, directory / "config.json")));
  return out;
}

}  // namespace thaw
