#include "launcher/ctc_model.h"

#include <algorithm>
#include <array>

#include "datasets/audio/normalize.h"
#include "datasets/tokenizers/python_text.h"
#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/text.h"
#include "framework/models/hub.h"
#include "framework/models/pretrained.h"
#include "framework/models/registry.h"
#include "framework/train/export.h"
#include "framework/train/speech.h"

namespace thaw {
namespace {

constexpr std::int64_t usual_vocabulary_size = 32;  // transformers' default

// A head that the files do not have, or have of another size, is drawn anew when a model is loaded: nothing to transcribe with.
void check_head(const fs::path& directory, const LoadReport& report) {
  for (const std::string& name : report.initialised)
    if (name.starts_with("lm_head."))
      throw ModelError(
          "{}: its weights have no {} of config.json's vocab_size: the model is pretrained, but was not fine-tuned to spell yet",
          directory.string(), name);
}

}  // namespace

at::Tensor CtcModel::log_probs(std::span<const float> samples) const {
  Context context;
  const std::vector<std::int64_t> row = AudioInputs::join({inputs->of({samples.begin(), samples.end()})}, context);
  const at::Tensor frames = model->forward(row, context);  // a window's silence behind the samples is left out
  return at::log_softmax(frames.slice(0, 0, lengths.frames_of(static_cast<std::int64_t>(samples.size()))), 1);
}

CtcAcousticModel CtcModel::acoustics() const {
  return {lengths, sample_rate, [this](std::span<const float> samples) { return log_probs(samples); }};
}

CtcAlphabet CtcModel::alphabet() const {
  CtcAlphabet out;
  out.blank = vocabulary->blank();
  out.text = [this](std::span<const std::int64_t> labels) { return vocabulary->decode_labels(labels); };
  out.words = [this](std::span<const std::int64_t> labels) {
    std::vector<CtcWord> words;
    for (const CtcVocabulary::Word& word : vocabulary->words(labels))
      words.push_back({word.text, static_cast<std::int64_t>(word.start), static_cast<std::int64_t>(word.end)});
    return words;
  };
  return out;
}

CtcSpelling CtcModel::spelling() const {
  CtcSpelling out;
  out.blank = vocabulary->blank();
  out.delimiter = vocabulary->delimiter();
  out.labels = [this](const std::string& word) {
    const std::string text = in_case_of(*vocabulary, std::string(trim(word)));
    std::string spelt;
    for (std::size_t at = 0, begin = 0; at < text.size(); begin = at) {
      next_code_point(text, at);
      const std::string character = text.substr(begin, at - begin);
      if (vocabulary->unspellable(character).empty()) spelt += character;
    }
    const std::vector<std::uint32_t> ids = vocabulary->encode_plain(spelt);
    return std::vector<std::int64_t>(ids.begin(), ids.end());
  };
  return out;
}

std::string in_case_of(const CtcVocabulary& vocabulary, const std::string& text) {
  const std::array texts{text, upper_case(text), lower_case(text)};
  return *std::min_element(texts.begin(), texts.end(), [&](const std::string& a, const std::string& b) {
    return vocabulary.unspellable(a).size() < vocabulary.unspellable(b).size();
  });
}

bool hears_by_ctc(const Json& config) {
  constexpr const char* known[] = {"hubert", "wav2vec2", "wavlm"};
  const std::string architecture = config.value("model_type", "");
  return std::find(std::begin(known), std::end(known), architecture) != std::end(known) ||
         (architecture == "whisper" && has_ctc_head(config));
}

CtcModel open_ctc_model(const std::string& model, at::ScalarType precision) {
  const fs::path directory = find_model(model).directory;
  const Json read = open_pretrained(directory).config;
  const JsonView config(read, (directory / "config.json").string());
  const std::string architecture = config["model_type"].text();
  if (!hears_by_ctc(read))
    throw ModelError("{}: expected a CTC model (hubert, wav2vec2, wavlm, or a Whisper trained with speech.head: ctc), found a {}{}",
                     directory.string(), architecture,
                     architecture == "whisper" ? " that was not: see recipes/speech/russian_letters.yaml" : "");
  CtcModel out;
  out.name = directory.string();
  out.vocabulary = load_ctc_vocabulary(directory);
  const std::int64_t outputs = config.integer_or("vocab_size", usual_vocabulary_size);
  if (outputs <= out.vocabulary->blank())
    throw ModelError("{}: the blank has the id {} in vocab.json, but config.json's vocab_size is {}: are they of one model?", out.name,
                     out.vocabulary->blank(), outputs);
  LoadReport report;
  const bool short_rows = config.boolean_or(short_rows_key, false);
  out.model = load_model(directory, {.outputs = outputs, .kind = Head::ctc, .short_rows = short_rows}, 0, &report);
  check_head(directory, report);
  out.model->set_precision(precision);
  out.inputs = audio_inputs({directory, read}, short_rows, {});
  if (architecture == "whisper") out.longest_s = 30, out.cuts = true;
  else out.sample_rate = audio::WaveformConfig::read(directory).sample_rate;
  out.lengths = frame_lengths(config);
  return out;
}

}  // namespace thaw
