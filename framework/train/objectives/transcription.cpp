#include "framework/train/objectives/transcription.h"

#include <algorithm>
#include <map>

#include "framework/base/error.h"
#include "framework/tasks/transcription/whisper_decoder.h"
#include "framework/tasks/transcription/whisper_decoding.h"
#include "framework/tasks/transcription/whisper_tokens_vocabulary.h"
#include "framework/train/evaluator.h"
#include "framework/train/inputs/text_inputs.h"

namespace thaw {

WhisperTranscription::WhisperTranscription(std::shared_ptr<const WhisperTokens> tokens, HeardOptions heard, Options options)
    : Recognition(std::move(heard)), tokens_(std::move(tokens)), vocabulary_(whisper_vocabulary(tokens_)), options_(std::move(options)) {
  if (options_.translate && !tokens_->multilingual()) throw RecipeError("speech.translate: this model knows English alone");
  if (!options_.language.empty() && !tokens_->multilingual() && tokens_->language_token(options_.language) != tokens_->language_token("en"))
    throw RecipeError("data.audio.language: '{}': this model knows English alone; choose a multilingual one", options_.language);
  if (!options_.language.empty() && tokens_->multilingual() && !tokens_->language_token(options_.language))
    throw RecipeError("data.audio.language: the model does not know '{}'; write a code such as ru, or a name such as russian",
                      options_.language);
}

bool WhisperTranscription::with_times(const DataSet& set, std::uint64_t row) const {
  constexpr double whole = 4294967296.0;
  return philox(random_key(options_.seed, std::int64_t{0x74696d65}), static_cast<std::int64_t>(row))[0] < options_.timestamps * whole &&
         set.shards->seconds()[row] <= 30;
}

std::string WhisperTranscription::language_in(const DataSet& set, std::uint64_t row) const {
  const std::string own = set.shards->language(row);
  return options_.language.empty() || knows(own) ? own : options_.language;
}

bool WhisperTranscription::knows(const std::string& language) const {
  return !language.empty() && tokens_->language_token(language).has_value();
}

std::string WhisperTranscription::language_of(const DataSet& set, std::uint64_t row) const {
  if (!tokens_->multilingual()) return "en";
  const auto token = tokens_->language_token(language_in(set, row));
  const auto same = [&](const WhisperLanguage& known) { return known.token == token; };
  return std::find_if(tokens_->languages().begin(), tokens_->languages().end(), same)->code;
}

WhisperTokens::Ids WhisperTranscription::prompt_of(const DataSet& set, std::uint64_t row) const {
  return tokens_->prompt(language_of(set, row), options_.translate ? WhisperTask::translate : WhisperTask::transcribe,
                         with_times(set, row));
}

std::size_t WhisperTranscription::text_length(const DataSet& set, std::uint64_t row) const {
  constexpr std::size_t around = 4 + 2;  // a prompt, and two times
  return std::min(static_cast<std::size_t>(options_.max_tokens) - around, (*set.transcripts)[row].size());
}

std::int64_t WhisperTranscription::decoder_length(const DataSet& set, std::uint64_t row) const {
  const std::size_t prompt = tokens_->multilingual() ? 3 : 1;
  return static_cast<std::int64_t>(prompt + text_length(set, row) + (with_times(set, row) ? 2 : 1));
}

double WhisperTranscription::share(const DataSet& set, std::uint64_t row) const {
  return static_cast<double>(set.weight(row)) * static_cast<double>(text_length(set, row) + 1 + (with_times(set, row) ? 1 : 0));
}

Targets WhisperTranscription::targets(const std::vector<RowOfSet>& rows, Context& context) const {
  constexpr std::int64_t nothing = -100;
  std::vector<std::int64_t> ids, labels;
  Targets targets{{}, weights_of(rows), {0}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const DataSet& set = *rows[i].set;
    const std::uint64_t row = rows[i].row;
    const WhisperTokens::Ids prompt = prompt_of(set, row);
    const auto text = (*set.transcripts)[row].first(text_length(set, row));
    ids.insert(ids.end(), prompt.begin(), prompt.end());
    if (with_times(set, row)) ids.push_back(tokens_->first_timestamp);
    labels.insert(labels.end(), ids.size() - labels.size() - 1, nothing);
    ids.insert(ids.end(), text.begin(), text.end());
    labels.insert(labels.end(), text.begin(), text.end());
    if (with_times(set, row)) {
      const double speed = options_.inputs == nullptr ? 1 : options_.inputs->speed(rows[i], context, i);
      ids.push_back(tokens_->timestamp(static_cast<double>(set.shards->seconds()[row]) / speed));
      labels.push_back(ids.back());
    }
    labels.push_back(tokens_->end_of_text);
    targets.cu_seqlens.push_back(static_cast<std::int64_t>(ids.size()));
  }
  targets.labels = at::tensor(labels, at::kLong);
  context.input_ids = at::tensor(ids, at::kLong);
  context.positions = positions_of(targets.cu_seqlens);
  context.decoder_cu_seqlens = targets.cu_seqlens;
  return targets;
}

at::Tensor WhisperTranscription::by_token(const Packed& output, const Targets& targets) const {
  const at::Tensor losses =
      at::cross_entropy_loss(output.values.to(at::kFloat), targets.labels, {}, at::Reduction::None, -100, options_.label_smoothing);
  std::vector<std::int64_t> lengths;
  for (std::size_t row = 0; row + 1 < targets.cu_seqlens.size(); ++row)
    lengths.push_back(targets.cu_seqlens[row + 1] - targets.cu_seqlens[row]);
  return losses * at::repeat_interleave(targets.weights, at::tensor(lengths, at::kLong).to(targets.weights.device()));
}

at::Tensor WhisperTranscription::loss(const Packed& output, const Targets& targets) const { return by_token(output, targets).sum(); }

// Without times, each row in its own language; some at a time, since the decoder keeps room for a whole window of each.
std::vector<std::string> WhisperTranscription::decode(const std::vector<RowOfSet>& rows, const Packed& memory,
                                                      SpeechDecoder& decoder) const {
  constexpr std::size_t most = 16;
  std::vector<std::string> texts(rows.size());
  for (std::size_t first = 0; first < rows.size(); first += most) {
    std::vector<at::Tensor> encoded;
    std::map<std::string, std::vector<DecodingWindow>> by_language;
    for (std::size_t row = first; row < std::min(rows.size(), first + most); ++row) {
      by_language[language_of(*rows[row].set, rows[row].row)].push_back({static_cast<std::int64_t>(encoded.size()), 0});
      encoded.push_back(memory.values.slice(0, memory.cu_seqlens[row], memory.cu_seqlens[row + 1]));
    }
    decoder.hear(encoded);
    for (const auto& [language, windows] : by_language) {
      WhisperOptions options;
      options.language = language;
      options.translate = options_.translate;
      options.timestamps = false;
      options.beam_size = heard().beams;
      options.known_word = heard().known_word;
      options.unknown_word = heard().unknown_word;
      const std::vector<WhisperResult> results = decode_windows(decoder, vocabulary_, windows, options);
      for (std::size_t i = 0; i < windows.size(); ++i) texts[first + static_cast<std::size_t>(windows[i].index)] = results[i].text;
    }
  }
  return texts;
}

Recognition::Hear WhisperTranscription::hear(const Evaluation& evaluation) const {
  const std::shared_ptr<SpeechDecoder> decoder = whisper_decoder(evaluation.model, evaluation.model.flow_type());
  return [this, &evaluation, decoder](const std::vector<RowOfSet>& batch) {
    Context context;
    const Targets expected = targets(batch, context);
    const Packed output = run_batch(evaluation, batch, context);
    const at::Tensor losses = by_token(output, expected);
    const std::vector<std::string> texts = decode(batch, *output.memory, *decoder);
    std::vector<HeardRow> heard;
    for (std::size_t i = 0; i < batch.size(); ++i)
      heard.push_back({losses.slice(0, expected.cu_seqlens[i], expected.cu_seqlens[i + 1]).sum().item<double>(), texts[i]});
    return heard;
  };
}

std::string WhisperTranscription::check(const DataSet& set) const {
  std::uint64_t unknown = 0, cut = 0, first_unknown = 0, first_cut = 0;
  for (std::uint64_t row = set.shards->rows(); row-- > 0;) {
    if (tokens_->multilingual() && !knows(language_in(set, row))) ++unknown, first_unknown = row;
    if (text_length(set, row) < (*set.transcripts)[row].size()) ++cut, first_cut = row;
  }
  if (unknown > 0)
    throw DataError(
        "{}: expected a language that the model knows, found '{}' in row {}, and none in {} of {} rows: name it in data.audio.language, or "
        "a column of it in data.audio.columns",
        set.name, language_in(set, first_unknown), set.shards->id(first_unknown), unknown, set.shards->rows());
  if (cut == 0) return "";
  return fmt::format(
      "{}: {} rows have transcripts longer than the {} tokens that the decoder takes: their end is not learnt; the first: {}", set.name,
      cut, text_length(set, first_cut), set.shards->id(first_cut));
}

std::string WhisperTranscription::words() const {
  return fmt::format("automatic-speech-recognition, Whisper{}: times are learnt in {:.0f} % of the rows{}",
                     options_.translate ? ", into English" : "", 100 * options_.timestamps,
                     options_.timestamps == 0 ? ", so that the model may forget how to give them (speech.timestamps)" : "");
}

}  // namespace thaw
