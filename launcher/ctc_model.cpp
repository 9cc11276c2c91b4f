#include "launcher/ctc_model.h"

#include <algorithm>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/models/hub.h"
#include "framework/models/registry.h"

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
  std::vector<float> prepared(samples.begin(), samples.end());
  if (waveform.do_normalize) audio::zero_mean_unit_variance(prepared);
  const auto count = static_cast<std::int64_t>(prepared.size());
  Context context;
  context.features = at::from_blob(prepared.data(), {count});
  return at::log_softmax(model->forward({0, count}, context), 1);
}

CtcAcousticModel CtcModel::acoustics() const {
  return {lengths, waveform.sample_rate, [this](std::span<const float> samples) { return log_probs(samples); }};
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

bool is_ctc_architecture(const std::string& architecture) {
  constexpr const char* known[] = {"hubert", "wav2vec2", "wavlm"};
  return std::find(std::begin(known), std::end(known), architecture) != std::end(known);
}

CtcModel open_ctc_model(const std::string& model, at::ScalarType precision) {
  const fs::path directory = find_model(model).directory;
  const JsonFile config(directory / "config.json");
  const std::string architecture = config.view()["model_type"].text();
  if (!is_ctc_architecture(architecture))
    throw ModelError("{}: expected a CTC model (hubert, wav2vec2 or wavlm), found a {}", directory.string(), architecture);
  CtcModel out;
  out.name = directory.string();
  out.vocabulary = load_ctc_vocabulary(directory);
  const std::int64_t outputs = config.view().integer_or("vocab_size", usual_vocabulary_size);
  if (outputs <= out.vocabulary->blank())
    throw ModelError("{}: the blank has the id {} in vocab.json, but config.json's vocab_size is {}: are they of one model?", out.name,
                     out.vocabulary->blank(), outputs);
  LoadReport report;
  out.model = load_model(directory, {.outputs = outputs, .kind = Head::ctc}, 0, &report);
  check_head(directory, report);
  out.model->set_precision(precision);
  out.waveform = audio::WaveformConfig::read(directory);
  out.lengths = frame_lengths(config.view());
  return out;
}

}  // namespace thaw
