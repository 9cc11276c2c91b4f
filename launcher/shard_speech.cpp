#include "launcher/shard_speech.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "datasets/audio/fbank.h"
#include "datasets/audio/log_mel.h"
#include "datasets/speech/manifest.h"
#include "datasets/tokenizers/ctc_vocabulary.h"
#include "framework/base/hash.h"
#include "framework/models/pretrained.h"
#include "framework/train/missing_files.h"
#include "launcher/checks.h"

namespace thaw {
namespace {

const std::map<std::string, AudioCodec> codecs{{"i16", AudioCodec::i16}, {"flac", AudioCodec::flac}, {"features", AudioCodec::features}};
const std::map<std::string, CorpusFormat> speech_formats(corpus_formats.begin(), corpus_formats.end());

FeatureFunction whisper_features(const audio::LogMelConfig& config, const std::string& name) {
  const auto log_mel = std::make_shared<const audio::LogMel>(config);
  return {static_cast<std::uint32_t>(config.mels), name, [=](std::span<const float> samples) { return (*log_mel)(samples).values; }};
}

// Of a model whose directory does not say what it takes: a Whisper's, as training takes them.
FeatureFunction usual_features(const fs::path& model) {
  const DataModel pretrained{model, open_pretrained(model).config};
  const auto missing = missing_files(pretrained);
  if (!pretrained.is("whisper") || missing.empty())
    throw ModelError(ExitCode::input_missing, "{}: is missing: it says which features the model takes",
                     (model / "preprocessor_config.json").string());
  audio::LogMelConfig config;
  config.mels = pretrained.config.value("num_mel_bins", config.mels);
  // Named as if the file that training writes for it had been there.
  return whisper_features(config, fmt::format("WhisperFeatureExtractor {}", hash_hex(missing.at("preprocessor_config.json"))));
}

// The features that the model's own extractor computes.
FeatureFunction features_of(const fs::path& model) {
  if (model.empty()) throw UsageError("--audio features: expected --model, whose features they are");
  const fs::path path = model / "preprocessor_config.json";
  if (!fs::exists(path)) return usual_features(model);
  const JsonFile config(path);
  const std::string type = config.view()["feature_extractor_type"].text(), name = type + " " + hash_file(path);
  if (type == "WhisperFeatureExtractor") return whisper_features(audio::LogMelConfig::read(model), name);
  if (type == "Speech2TextFeatureExtractor") {
    const audio::FbankConfig fbank_config = audio::FbankConfig::read(model);
    const auto fbank = std::make_shared<const audio::Fbank>(fbank_config);
    return {static_cast<std::uint32_t>(fbank_config.mels), name, [=](std::span<const float> samples) { return (*fbank)(samples).values; }};
  }
  throw UsageError("--audio features: {}: '{}' takes samples, or is not known here: use --audio i16 or flac", path.string(), type);
}

// What the tokenizer makes its unknown token of: a text's words.
std::vector<std::string> unknown_words(const Tokenizer& tokenizer, std::uint32_t unknown, const std::string& text) {
  const auto has_unknown = [&](const std::string& part) {
    const std::vector<std::uint32_t> ids = tokenizer.encode_plain(part);
    return std::find(ids.begin(), ids.end(), unknown) != ids.end();
  };
  std::vector<std::string> words;
  if (!has_unknown(text)) return words;
  for (const std::string& word : split(text, ' '))
    if (std::find(words.begin(), words.end(), word) == words.end() && has_unknown(word)) words.push_back(word);
  return words.empty() ? std::vector{text} : words;
}

// Whatever of a text the tokenizer cannot spell; an empty function where it can spell everything.
std::function<std::vector<std::string>(std::string_view)> unspellable_by(const Tokenizer* tokenizer) {
  if (tokenizer == nullptr) return {};
  if (const auto* const vocabulary = dynamic_cast<const CtcVocabulary*>(tokenizer))
    return [vocabulary](std::string_view text) { return vocabulary->unspellable(text); };
  for (const char* token : {"[UNK]", "<unk>"})
    if (const auto unknown = tokenizer->token_id(token))
      return [tokenizer, id = *unknown](std::string_view text) { return unknown_words(*tokenizer, id, std::string(text)); };
  return {};
}

// What `read` makes of an option's words; a UsageError where they are wrong.
template <typename Read>
auto from_command_line(const char* option, const Read& read) {
  try {
    return read();
  } catch (const DataError& error) {
    throw UsageError("{}: {}", option, error.what());
  }
}

}  // namespace

void add_speech_options(CLI::App& command, SpeechWords& words) {
  const auto group = "Speech";
  command.add_option("--audio", words.audio, "Sources are speech, stored as 16-bit samples (i16), FLAC, or the model's features")
      ->check(CLI::IsMember(codecs))
      ->group(group);
  command.add_option("--corpus", words.corpus, "Sources are speech, in this format; auto: by looking")
      ->check(CLI::IsMember(speech_formats))
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--column", words.columns,
                  "USE=NAME of a column or key: audio, text, label, speaker, language, duration, begin, end; as often as needed")
      ->group(group);
  command.add_option("--pattern", words.options.pattern, "What files' names say, as {label}_{speaker}_{take}")->group(group);
  command.add_option("--audio-root", words.options.audio_root, "Where relative paths of a manifest begin; else at its own folder")
      ->group(group);
  command.add_option("--language", words.options.language, "Language of rows whose corpus does not say")->group(group);
  command
      .add_option("--text-rule", words.rules,
                  "What is done to transcripts, in this order: lower, upper, strip_punctuation[:KEEP], remove:CHARACTERS, yo_to_ye, "
                  "collapse_spaces, nfc, nfkc; as often as needed")
      ->group(group);
  command.add_option("--min-seconds", words.limits.min_s, "Leave out shorter audio")->check(from_zero)->group(group);
  command.add_option("--max-seconds", words.limits.max_s, "Leave out longer audio")->check(from_zero)->group(group);
  command.add_option("--bad-limit", words.bad_limit, "How much bad input ends it: a share, or a number of rows")
      ->capture_default_str()
      ->group(group);
  command.add_flag("--allow-pipes", words.options.allow_pipes, "Run the commands of Kaldi's wav.scp")->group(group);
}

bool is_speech(const SpeechWords& words, const std::vector<std::string>& sources) {
  return !words.audio.empty() || words.corpus != "auto" || !words.options.pattern.empty() ||
         std::any_of(sources.begin(), sources.end(), [](const std::string& source) { return fs::is_directory(source); });
}

bool has_classes(const SpeechWords& words, const std::vector<std::string>& sources) {
  if (!words.options.pattern.empty()) return words.options.pattern.find("{label}") != std::string::npos;
  CorpusOptions options = words.options;
  options.format = speech_formats.at(words.corpus);
  return look_at_corpus(sources.at(0), options) == CorpusFormat::folders;
}

SpeechOptions speech_options(const SpeechWords& words, const fs::path& model, const Tokenizer* tokenizer) {
  SpeechOptions options;
  options.corpus = words.options;
  options.corpus.format = speech_formats.at(words.corpus);
  for (const std::string& column : words.columns) {
    const std::size_t equals = column.find('=');
    if (equals == std::string::npos) throw UsageError("--column {}: expected USE=NAME, as speaker=client_id", column);
    options.corpus.columns[column.substr(0, equals)] = column.substr(equals + 1);
  }
  from_command_line("--column", [&] { check_columns(options.corpus); });
  options.limits = words.limits;
  if (words.limits.max_s > 0 && words.limits.min_s > words.limits.max_s)
    throw UsageError("--min-seconds {} is above --max-seconds {}: every row would be left out; correct one of the two", words.limits.min_s,
                     words.limits.max_s);
  options.rules = from_command_line("--text-rule", [&] { return TextRules(words.rules); });
  options.audio = words.audio.empty() ? AudioCodec::i16 : codecs.at(words.audio);
  options.bad = from_command_line("--bad-limit", [&] { return BadLimit::parse(words.bad_limit); });
  if (options.audio == AudioCodec::features) options.features = features_of(model);
  options.unspellable = unspellable_by(tokenizer);
  return options;
}

}  // namespace thaw
