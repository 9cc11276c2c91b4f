#include "framework/train/speech.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "datasets/audio/audio.h"
#include "datasets/audio/normalize.h"
#include "datasets/shards/cache.h"
#include "datasets/speech/readers.h"
#include "datasets/speech/speech_rows.h"
#include "datasets/speech/word_list.h"
#include "datasets/tokenizers/ctc_vocabulary.h"
#include "datasets/tokenizers/ctc_vocabulary_builder.h"
#include "framework/base/error.h"
#include "framework/models/frame_lengths.h"
#include "framework/models/registry.h"
#include "framework/tasks/ctc.h"
#include "framework/tasks/text/text_normalizer.h"
#include "framework/train/encoder.h"
#include "framework/train/inputs/audio_inputs.h"
#include "framework/train/objectives/ctc.h"
#include "framework/train/objectives/transcription.h"

namespace thaw {
namespace {

constexpr double whisper_window_s = 30;

CorpusOptions corpus_options(const Recipe& recipe) {
  const AudioRecipe& audio = recipe.data.audio;
  CorpusOptions options;
  options.format =
      std::find_if(corpus_formats.begin(), corpus_formats.end(), [&](const auto& f) { return f.first == audio.corpus; })->second;
  options.columns = {audio.columns.begin(), audio.columns.end()};
  options.pattern = audio.pattern;
  options.audio_root = audio.root;
  options.language = audio.language;
  options.delimiter = recipe.data.delimiter;
  options.need_text = recipe.task == Task::speech_recognition;
  return options;
}

FrameLengths frame_lengths_of(const DataModel& model) {
  return frame_lengths(JsonView(model.config, (model.directory / "config.json").string()));
}

// The least that a model makes a frame of, in s. A Whisper's windows have silence behind them.
double least_seconds(const Recipe& recipe, const DataModel& model) {
  if (model.is("whisper") && !recipe.speech.short_rows) return 0;
  return static_cast<double>(frame_lengths_of(model).samples_needed(1)) / heard_rate;
}

SpeechOptions speech_options(const Recipe& recipe, const DataModel& model, const Tokenizer* tokenizer) {
  const AudioRecipe& audio = recipe.data.audio;
  SpeechOptions options;
  options.corpus = corpus_options(recipe);
  options.limits.min_s = std::max(audio.min_seconds, least_seconds(recipe, model));
  options.limits.max_s = audio.max_seconds;
  if (model.is("whisper")) options.limits.max_s = audio.max_seconds > 0 ? std::min(audio.max_seconds, whisper_window_s) : whisper_window_s;
  options.rules = TextRules(audio.text_rules);
  options.audio = audio.store == "flac" ? AudioCodec::flac : AudioCodec::i16;
  options.bad = BadLimit::parse(audio.bad_limit);
  if (const auto* const vocabulary = dynamic_cast<const CtcVocabulary*>(tokenizer))
    options.unspellable = [vocabulary](std::string_view text) { return vocabulary->unspellable(text); };
  return options;
}

// The transcripts of a source as the run will see them.
void each_transcript(const std::string& path, const Recipe& recipe, const std::function<void(const std::string&)>& take) {
  if (fs::exists(fs::path(path) / "index.json")) {
    const ShardSet shards(path);
    for (std::uint64_t row = 0; row < shards.rows(); ++row) take(shards.text(row));
    return;
  }
  const TextRules rules(recipe.data.audio.text_rules);
  for (const Utterance& one : read_corpus(path, corpus_options(recipe)).utterances) take(rules.apply(one.text));
}

// A folder that is gone at the end.
struct TemporaryFolder {
  fs::path path;
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "thaw-vocabulary-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw FileError(ExitCode::cannot_write, "{}: {}", name, std::strerror(errno));
    path = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
};

std::map<std::string, std::string> build_vocabulary(const Recipe& recipe, const Say& say) {
  CtcVocabularyOptions options;
  options.casing = recipe.speech.casing == Casing::folded ? CtcVocabularyOptions::folded : CtcVocabularyOptions::as_written;
  CtcVocabularyBuilder builder(options);
  for (const DataSource& source : recipe.data.train)
    each_transcript(source.path, recipe, [&](const std::string& text) { builder.add(text); });
  const TemporaryFolder folder;
  builder.write(folder.path);
  const OrderedJson vocabulary = builder.vocabulary();
  std::string characters;
  for (const auto& [token, id] : vocabulary.items()) characters += (characters.empty() ? "" : " ") + token;
  say(fmt::format("vocabulary {} characters of the training transcripts{}: {}", vocabulary.size(),
                  options.casing == CtcVocabularyOptions::folded ? ", in capitals" : ", as written", characters));
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder.path)) files[entry.path().filename().string()] = read_file(entry.path());
  return files;
}

Augmentation augmentation_of(const AugmentRecipe& recipe) {
  Augmentation out;
  out.sound.speeds = recipe.speeds.empty() ? std::vector<double>{1.0} : recipe.speeds;
  out.sound.noise_probability = recipe.noise;
  out.sound.low_snr_db = recipe.low_snr_db, out.sound.high_snr_db = recipe.high_snr_db;
  out.sound.low_gain_db = recipe.low_gain_db, out.sound.high_gain_db = recipe.high_gain_db;
  out.changes_sound = !recipe.speeds.empty() || recipe.noise > 0 || recipe.low_gain_db != 0 || recipe.high_gain_db != 0;
  out.masks = {static_cast<int>(recipe.frequency_masks), static_cast<int>(recipe.frequency_width), static_cast<int>(recipe.time_masks),
               static_cast<int>(recipe.time_width), 1.0};
  out.changes_features = recipe.frequency_masks + recipe.time_masks > 0;
  if (!recipe.noises.empty()) {
    for (const fs::path& file : audio_below(recipe.noises)) out.noises.push_back(audio::read_audio(file).samples);
    if (out.noises.empty()) throw DataError(ExitCode::input_missing, "augment.noises: {}: expected recordings, found none", recipe.noises);
  }
  return out;
}

bool is_ctc(const Tokenizer& tokenizer) { return dynamic_cast<const CtcVocabulary*>(&tokenizer) != nullptr; }

HeardOptions heard_options(const Recipe& recipe, const DataModel& model, const Tokenizer& tokenizer) {
  HeardOptions options;
  options.max_rows = recipe.evaluate.max_rows;
  options.beams = recipe.evaluate.beams;
  if (!recipe.evaluate.words.empty()) {
    if (is_ctc(tokenizer))
      throw RecipeError("{}: evaluate.words: it is for the beam search of a Whisper's decoder: leave it out", recipe.file.string());
    options.known_word = known_words(recipe.evaluate.words);
    options.unknown_word = recipe.evaluate.unknown_word;
  }
  std::vector<std::string> names = recipe.evaluate.text_rules;
  // A folded vocabulary reads small letters alone: capitals of what was said would count as errors.
  if (is_ctc(tokenizer) && recipe.speech.casing == Casing::folded) names.insert(names.begin(), "lower");
  const auto rules = std::make_shared<const TextRules>(names);
  if (recipe.evaluate.normalizer == "english")
    options.spelling = [rules, english = std::make_shared<const EnglishTextNormalizer>(read_spelling(model.directory))](
                           const std::string& text) { return (*english)(rules->apply(text)); };
  else if (recipe.evaluate.normalizer == "basic")
    options.spelling = [rules](const std::string& text) { return BasicTextNormalizer()(rules->apply(text)); };
  else options.spelling = [rules](const std::string& text) { return rules->apply(text); };
  return options;
}

// Features were computed once and for all, of windows of 30 s.
void check_features(const ShardSet& shards, const Recipe& recipe, const DataModel& model) {
  const auto refuse = [&](const std::string& why) {
    throw DataError("{}: rows are features{}, or shard with --audio i16", shards.directory().string(), why);
  };
  const AugmentRecipe& augment = recipe.augment;
  if (!augment.speeds.empty() || augment.noise > 0 || augment.low_gain_db != 0 || augment.high_gain_db != 0)
    refuse(", whose sound cannot be changed any more: leave speeds, noise and gain_db out of augment");
  if (recipe.speech.short_rows) refuse(" of 30 s each: leave speech.short_rows out");
  const std::int64_t mels = model.config.value("num_mel_bins", std::int64_t{80});
  if (shards.index().feature_width != static_cast<std::uint64_t>(mels))
    refuse(fmt::format(" of {} mels, but the model reads {}: shard with this model", shards.index().feature_width, mels));
}

// Rows of which the model makes no frame.
void check_lengths(const ShardSet& shards, const Recipe& recipe, const DataModel& model) {
  const double least_s = least_seconds(recipe, model);
  std::uint64_t rows = 0, first = 0;
  for (std::uint64_t row = shards.rows(); row-- > 0;)
    if (shards.seconds()[row] < static_cast<float>(least_s)) ++rows, first = row;
  if (rows > 0)
    throw DataError(
        "{}: {} rows are shorter than the {:.3f} s of the model's first frame; the first: {}: leave them out (--min-seconds {:.2f}; "
        "data.audio.min_seconds)",
        shards.directory().string(), rows, least_s, shards.id(first), least_s + 0.01);
}

// A DataError for shards that the model cannot hear, or not whole where they are to be written down.
void check_speech(const ShardSet& shards, const Recipe& recipe, const DataModel& model, const ShardRanks& ranks) {
  const std::string where = shards.directory().string();
  const AudioCodec codec = shards.audio_codec();
  if (codec == AudioCodec::none) throw DataError("{}: rows are text, but the task {} hears audio", where, name_of(recipe.task));
  if (codec == AudioCodec::features && !model.is("whisper"))
    throw DataError("{}: rows are features, but the model reads samples: shard with --audio i16 or flac", where);
  if (codec == AudioCodec::features) check_features(shards, recipe, model);
  const LabelKind wanted = recipe.data.multi_label ? LabelKind::several : LabelKind::one;
  if (recipe.task == Task::audio_classification && shards.label_kind() != wanted)
    throw DataError("{}: expected labels of kind '{}', found '{}': shard it again", where, name_of(wanted), name_of(shards.label_kind()));
  check_lengths(shards, recipe, model);
  if (!model.is("whisper")) return;
  std::uint64_t too_long = 0, first = 0;
  for (std::uint64_t row = shards.rows(); row-- > 0;)
    if (shards.seconds()[row] > whisper_window_s + 0.05) ++too_long, first = row;
  if (too_long == 0) return;
  if (recipe.task == Task::speech_recognition)
    throw DataError(
        "{}: {} rows are longer than 30 s, of which Whisper would hear the beginning alone; the first: {}: leave them out (thaw shard "
        "--max-seconds 30; data.audio.max_seconds where the recipe shards the corpus itself), or cut them",
        where, too_long, shards.id(first));
  // As thaw predict does with such recordings.
  if (ranks.rank == 0)
    ranks.say(fmt::format("{}: {} rows are longer than 30 s and are heard to there; the first: {}", where, too_long, shards.id(first)));
}

// "the vocabulary cannot spell 'x', 'y' of 'xyz'": the first few characters, as shards of another alphabet have them all.
std::string cannot_spell(const std::vector<std::string>& missing, const std::string& text) {
  constexpr std::size_t most = 5;
  std::string quoted;
  for (std::size_t i = 0; i < std::min(most, missing.size()); ++i)
    quoted += fmt::format("{}'{}'", i == 0 ? "" : ", ", beginning(missing[i], 40));
  if (missing.size() > most) quoted += fmt::format(" and {} more", missing.size() - most);
  return fmt::format("the vocabulary cannot spell {} of '{}'", quoted, beginning(text, 200));
}

// The labels of a CTC model. Shards that were given may hold what its vocabulary cannot spell: it is held to the limit of a corpus, in
// which such rows are left out; here they stay. Whatever a rank finds, all find.
std::shared_ptr<const Transcripts> spelled_transcripts(const ShardSet& shards, const CtcVocabulary& vocabulary, const Recipe& recipe,
                                                       const Say& say) {
  constexpr std::size_t shown = 3;  // by SpeechReport
  CorpusReport corpus{shards.directory().string(), "shards", 0, 0, {}};
  std::uint64_t row = 0;
  auto transcripts = std::make_shared<const Transcripts>(shards, [&](const std::string& text) {
    const std::vector<std::string> missing = vocabulary.unspellable(text);
    if (missing.empty()) {
      ++corpus.rows;
    } else {
      LeftOut& bad = corpus.left_out.emplace_back();
      bad.reason = name_of(Fault::unspellable);
      if (corpus.left_out.size() <= shown) bad.where = shards.id(row), bad.detail = cannot_spell(missing, text);
    }
    ++row;
    // Where there is no unknown token, the first row that needs one says so.
    return vocabulary.encode_plain(text);
  });
  if (corpus.left_out.empty()) return transcripts;
  SpeechReport report;
  report.corpora.push_back(std::move(corpus));
  report.check(BadLimit::parse(recipe.data.audio.bad_limit));
  const CorpusReport& found = report.corpora.front();
  say(fmt::format("{}: {} of {} rows hold characters that the vocabulary lacks, which are taken as the unknown token; the first: {}: {}",
                  found.path, found.left_out.size(), shards.rows(), found.left_out.front().where, found.left_out.front().detail));
  return transcripts;
}

}  // namespace

bool spells_by_ctc(const Recipe& recipe, const Json& config) {
  if (config.value("model_type", "") != "whisper") {
    if (recipe.speech.head == SpeechHead::decoder)
      throw RecipeError("{}: speech.head: decoder: a {} has none; leave it out", recipe.file.string(), config.value("model_type", "model"));
    return true;
  }
  return recipe.speech.head == SpeechHead::of_model ? has_ctc_head(config) : recipe.speech.head == SpeechHead::ctc;
}

std::shared_ptr<const Tokenizer> recognition_tokenizer(const Recipe& recipe, const DataModel& model, Communicator& comm, const Say& say,
                                                       std::map<std::string, std::string>& files) {
  if (!spells_by_ctc(recipe, model.config)) return load_tokenizer(model.directory);
  // A Whisper's vocab.json is that of its decoder, unless it has been taught to spell.
  const bool spells = !model.is("whisper") || has_ctc_head(model.config);
  const bool own = recipe.speech.vocabulary_of_model && spells && fs::exists(model.directory / "vocab.json");
  if (own) return load_ctc_vocabulary(model.directory);
  const ShardRanks ranks{comm.rank(), comm.size(), [&](const std::string& mine) { return comm.all_gather_text(mine); }, say};
  const std::string built =
      together(ranks, [&]() -> std::string { return ranks.rank == 0 ? Json(build_vocabulary(recipe, say)).dump() : ""; })[0];
  const TemporaryFolder folder;
  for (const auto& [name, content] : Json::parse(built).get<std::map<std::string, std::string>>()) {
    write_file_atomically(folder.path / name, content);
    files[name] = content;
  }
  return load_ctc_vocabulary(folder.path);
}

std::shared_ptr<ShardSet> open_speech(const std::string& path, const Recipe& recipe, const DataModel& model,
                                      const std::vector<std::string>& labels, const Tokenizer* tokenizer, const ShardRanks& ranks,
                                      const fs::path& cache_dir) {
  fs::path directory = path;
  if (!fs::exists(directory / "index.json")) {
    ShardOptions options;
    options.read.label_kind = recipe.task == Task::speech_recognition ? LabelKind::none
                              : recipe.data.multi_label               ? LabelKind::several
                                                                      : LabelKind::one;
    options.read.separator = recipe.data.separator;
    options.read.label_names = labels;
    options.rows_per_shard = 1024;
    const SpeechOptions speech = speech_options(recipe, model, tokenizer);
    std::unique_ptr<TokenizerEncoder> encoder;
    if (tokenizer != nullptr) encoder = std::make_unique<TokenizerEncoder>(*tokenizer, 0);
    const std::vector<fs::path> paths{path};
    directory = ensure_sharded([&] { return std::make_unique<SpeechRows>(paths, speech, options, encoder != nullptr); }, encoder.get(),
                               options, cache_dir, ranks);
    const SpeechReport report = report_of({ShardIndex::read(directory)}, 0);
    report.check(speech.bad);  // the cache may have been filled under a wider limit
    if (ranks.rank == 0) {
      std::istringstream lines(report.to_text());
      for (std::string line; std::getline(lines, line);) ranks.say(line);
    }
  }
  auto shards = std::make_shared<ShardSet>(directory);
  check_speech(*shards, recipe, model, ranks);
  return shards;
}

std::shared_ptr<const Transcripts> transcripts_of(const ShardSet& shards, const Tokenizer& tokenizer, const Recipe& recipe,
                                                  const Say& say) {
  if (const auto* const vocabulary = dynamic_cast<const CtcVocabulary*>(&tokenizer))
    return spelled_transcripts(shards, *vocabulary, recipe, say);
  // Those of Whisper's decoder begin with a blank, as words within a sentence do.
  return std::make_shared<const Transcripts>(
      shards, [&](const std::string& text) { return tokenizer.encode_plain(fmt::format(" {}", trim(text))); });
}

std::string never_learnt(const DataSet& set, const Objective& objective, const DataModel& model) {
  if (const auto* const whisper = dynamic_cast<const WhisperTranscription*>(&objective)) return whisper->check(set);
  const FrameLengths lengths = frame_lengths_of(model);
  std::uint64_t rows = 0, first = 0;
  for (std::uint64_t row = set.shards->rows(); row-- > 0;) {
    const auto ids = (*set.transcripts)[row];
    const std::int64_t samples = samples_in(*set.shards, row);
    if (lengths.frames_of(samples) < ctc_frames_needed(std::vector<std::int64_t>(ids.begin(), ids.end()))) ++rows, first = row;
  }
  if (rows == 0) return "";
  return fmt::format("{}: {} rows are shorter than their texts can be spoken in, and teach nothing; the first: {}", set.name, rows,
                     set.shards->id(first));
}

std::unique_ptr<AudioInputs> audio_inputs(const DataModel& model, bool short_rows, Augmentation augmentation) {
  augmentation.sound.shortest = static_cast<std::size_t>(frame_lengths_of(model).samples_needed(1));
  if (!model.is("whisper"))
    return std::make_unique<WaveformInputs>(audio::WaveformConfig::read(model.directory).do_normalize, std::move(augmentation));
  audio::LogMelConfig config = audio::LogMelConfig::read(model.directory);
  config.mels = model.config.value("num_mel_bins", config.mels);
  return std::make_unique<LogMelInputs>(config, short_rows, std::move(augmentation));
}

std::shared_ptr<const Inputs> speech_inputs(const Recipe& recipe, const DataModel& model) {
  if (!model.is("whisper"))
    if (const int rate = audio::WaveformConfig::read(model.directory).sample_rate; rate != heard_rate)
      throw ModelError("{}: sampling_rate: expected {}, which rows of speech have, found {}", model.directory.string(), heard_rate, rate);
  if (!model.is("whisper") && recipe.augment.time_masks + recipe.augment.frequency_masks > 0)
    throw RecipeError(
        "{}: augment.time_masks, frequency_masks: this model has masks of its own (config.json: mask_time_prob, "
        "mask_feature_prob); leave them out",
        recipe.file.string());
  return audio_inputs(model, recipe.speech.short_rows, augmentation_of(recipe.augment));
}

std::shared_ptr<const Objective> recognition(const Recipe& recipe, const DataModel& model,
                                             const std::shared_ptr<const Tokenizer>& tokenizer, std::shared_ptr<const Inputs> inputs) {
  const HeardOptions heard = heard_options(recipe, model, *tokenizer);
  const auto vocabulary = std::dynamic_pointer_cast<const CtcVocabulary>(tokenizer);
  const SpeechRecipe usual;
  const auto refuse = [&](bool given, const char* key, const char* why) {
    if (given) throw RecipeError("{}: {}: {}; leave it out", recipe.file.string(), key, why);
  };
  if (vocabulary != nullptr) {
    refuse(recipe.loss.label_smoothing > 0, "loss.label_smoothing", "the loss of a CTC model has none");
    refuse(recipe.speech.translate, "speech.translate", "a CTC model writes what is said");
    refuse(recipe.speech.timestamps != usual.timestamps, "speech.timestamps", "a CTC model is not told times");
  } else {
    refuse(!recipe.speech.vocabulary_of_model, "speech.vocabulary", "a Whisper's decoder has its own tokens");
    refuse(recipe.speech.casing != usual.casing, "speech.casing", "a Whisper's decoder has its own tokens");
  }
  if (vocabulary != nullptr) {
    Ctc::Options options;
    if (model.is("whisper")) {
      options.frames = [lengths = frame_lengths_of(model)](std::int64_t samples) { return lengths.frames_of(samples); };
      options.inputs = std::move(inputs);
    }
    return std::make_shared<Ctc>(vocabulary, heard, options);
  }
  WhisperTranscription::Options options;
  options.language = recipe.data.audio.language;
  options.translate = recipe.speech.translate;
  options.timestamps = recipe.speech.timestamps;
  options.seed = recipe.seeds.order;
  options.label_smoothing = recipe.loss.label_smoothing;
  options.max_tokens = model.config.value("max_target_positions", options.max_tokens);
  options.inputs = std::move(inputs);
  return std::make_shared<WhisperTranscription>(std::make_shared<const WhisperTokens>(tokenizer), heard, options);
}

}  // namespace thaw
