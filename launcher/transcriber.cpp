#include "launcher/transcriber.h"

#include <memory>

#include "datasets/audio/voice.h"
#include "datasets/speech/word_list.h"
#include "framework/base/error.h"
#include "framework/models/hub.h"
#include "framework/models/pretrained.h"
#include "framework/models/registry.h"
#include "framework/tasks/transcription/batched_transcription.h"
#include "framework/tasks/transcription/ctc_word_times.h"
#include "framework/tasks/transcription/word_edges.h"
#include "launcher/ctc_model.h"
#include "launcher/speech_model.h"
#include "launcher/trained_model.h"

namespace thaw {
namespace {

Json config_of(const std::string& model) {
  return open_pretrained(fs::is_regular_file(model) ? fs::path(model) : find_model(model).directory).config;
}

std::vector<TimeSpan> windows_of(const audio::Audio& recording, double longest_s) {
  SpeechWindowOptions options;
  options.longest = longest_s;
  return speech_windows(audio::VoiceActivity(recording.samples, recording.sample_rate).regions(), recording.seconds(), options);
}

class WhisperTranscriber {
 public:
  WhisperTranscriber(const TranscriberOptions& options, at::ScalarType precision)
      : model_(open_speech_model(options.model, precision)), at_pauses_(options.windows == "pauses"), batch_(options.batch) {
    options_.decoding.language = options.language;
    options_.decoding.translate = options.translate;
    options_.decoding.beam_size = options.beams;
    options_.decoding.patience = options.patience;
    if (!options.words.empty()) {
      if (options.beams == 0) throw UsageError("--words: it is for a beam search: set --beams, or leave it out");
      options_.decoding.known_word = known_words(options.words);
      options_.decoding.unknown_word = options.unknown_word;
    }
    options_.decoding.best_of = options.best_of;
    options_.decoding.timestamps = !options.no_timestamps;
    if (!options.prompt.empty()) options_.decoding.prompt = model_.encode(" " + options.prompt);
    if (!options.temperatures.empty()) options_.fallback.temperatures = options.temperatures;
    options_.condition_on_previous_text = !options.independent;
    options_.word_times = options.word_times;
    options_.words.heads = model_.heads;
  }

  static int sample_rate() { return audio::ReadOptions().sample_rate; }

  Transcript operator()(const audio::Audio& recording, const fs::path&) {
    constexpr double longest_window_s = 30;
    const at::Tensor features = model_.features(recording);
    if (!at_pauses_) return transcribe(*model_.decoder, model_.vocabulary, features, options_);
    return transcribe_windows(*model_.decoder, model_.vocabulary, features, windows_of(recording, longest_window_s), batch_, options_);
  }

 private:
  SpeechModel model_;
  TranscriptionOptions options_;
  bool at_pauses_;
  std::int64_t batch_;
};

class CtcTranscriber {
 public:
  CtcTranscriber(const TranscriberOptions& options, at::ScalarType precision) : model_(open_ctc_model(options.model, precision)) {
    options_.beams = options.beams;
    options_.word_times = options.word_times;
  }

  int sample_rate() const { return model_.sample_rate; }

  Transcript operator()(const audio::Audio& recording, const fs::path& file) const {
    if (model_.lengths.frames_of(static_cast<std::int64_t>(recording.samples.size())) == 0)
      throw audio::AudioError(
          audio::AudioFault::too_short, file.string(),
          fmt::format("{} samples, of which the model needs {}", recording.samples.size(), model_.lengths.samples_needed(1)));
    // A recording that fits is heard whole, as the model was trained and is judged.
    const bool fits = recording.seconds() <= model_.longest_s;
    const std::vector<TimeSpan> windows = fits ? std::vector{TimeSpan{0, recording.seconds()}} : windows_of(recording, model_.longest_s);
    const CtcAcousticModel acoustics = model_.acoustics();
    return ctc_transcript(ctc_emissions(acoustics, recording.samples, windows), model_.alphabet(), acoustics.frame_s(), options_);
  }

 private:
  CtcModel model_;
  CtcTranscriptionOptions options_;
};

// All that is voice, also between pauses within a sentence.
std::vector<TimeSpan> voiced_parts(const audio::Audio& recording) {
  audio::VoiceConfig config;
  config.min_silence_s = 0.08;
  config.padding_s = 0;
  return audio::VoiceActivity(recording.samples, recording.sample_rate, config).regions();
}

// Of the words' times, those of the aligner, where there is one.
std::shared_ptr<const CtcModel> open_aligner(const TranscriberOptions& options, int sample_rate) {
  if (options.aligner.empty()) return nullptr;
  auto aligner = std::make_shared<const CtcModel>(open_ctc_model(best_of_run(options.aligner), at::kFloat));
  if (aligner->sample_rate != sample_rate)
    throw UsageError("--aligner {}: hears {} samples a second, but {} hears {}", options.aligner, aligner->sample_rate, options.model,
                     sample_rate);
  return aligner;
}

template <typename Model>
Transcriber reading(std::shared_ptr<Model> hears, const TranscriberOptions& options) {
  return [hears, snap_words = options.snap_words, aligner = open_aligner(options, hears->sample_rate())](const fs::path& file) {
    audio::ReadOptions reading;
    reading.sample_rate = hears->sample_rate();
    const audio::Audio recording = audio::read_audio(file, reading);
    Transcript transcript = (*hears)(recording, file);
    transcript.seconds = recording.seconds();
    if (aligner != nullptr) align_words(transcript, aligner->acoustics(), aligner->spelling(), recording.samples, aligner->longest_s);
    if (snap_words) snap_to_voice(transcript, voiced_parts(recording));
    return transcript;
  };
}

}  // namespace

Transcriber open_transcriber(const TranscriberOptions& given) {
  TranscriberOptions options = given;
  options.model = best_of_run(given.model);
  const Json config = config_of(options.model);
  const std::string architecture = config.value("model_type", "model of no known type");
  const at::ScalarType precision = options.precision == "bf16" ? at::kBFloat16 : at::kFloat;
  if (const std::string classes = class_of(config);
      classes.ends_with("ForAudioClassification") || classes.ends_with("ForSequenceClassification"))
    throw UsageError("{}: this model gives labels, no text: use thaw predict", options.model);
  if (architecture == "whisper" && !hears_by_ctc(config)) return reading(std::make_shared<WhisperTranscriber>(options, precision), options);
  if (!hears_by_ctc(config))
    throw ModelError("{}: expected a Whisper or a CTC model (hubert, wav2vec2, wavlm), found a {}", options.model, architecture);
  if (!options.for_whisper.empty())
    throw UsageError("{}: only a Whisper's decoder knows what to do with it, and {} is a {} with a CTC head: leave it out",
                     fmt::join(options.for_whisper, ", "), options.model, architecture);
  return reading(std::make_shared<const CtcTranscriber>(options, precision), options);
}

}  // namespace thaw
