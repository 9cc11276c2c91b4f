// thaw pronounce: how well a known sentence was said, word by word and sound by sound.
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "datasets/audio/audio.h"
#include "datasets/speech/corpus.h"
#include "datasets/speech/text_rules.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/tasks/ctc.h"
#include "launcher/alone.h"
#include "launcher/commands.h"
#include "launcher/ctc_model.h"
#include "launcher/pronunciation_report.h"
#include "launcher/trained_model.h"

namespace thaw {
namespace {

constexpr double longest_sentence_s = 60;

struct PronounceArguments {
  std::string model, recording, text, sentences, precision = "fp32";
  std::int64_t threads = 0;
  bool json = false;
};

struct Sentence {
  std::string recording, text;
};

// Lines of a recording and its sentence; what is no such line is told, and counted in `failed`.
std::vector<Sentence> sentences_in(const std::string& table, std::size_t& failed) {
  CorpusOptions options;
  options.format = CorpusFormat::table;
  options.columns = {{"audio", "0"}, {"text", "1"}};
  options.delimiter = '\t';
  const Corpus corpus = read_corpus(table, options);
  for (const LeftOut& line : corpus.left_out) {
    ++failed;
    fmt::print(stderr, "thaw: {}: {}{}\n", printable(line.where), line.reason,
               line.detail.empty() ? "" : " (" + printable(line.detail) + ")");
  }
  std::vector<Sentence> sentences;
  for (const Utterance& utterance : corpus.utterances) sentences.push_back({utterance.audio, utterance.text});
  return sentences;
}

// The sentence in the vocabulary's case. DataError where it cannot be spelled.
std::string spelt(const CtcVocabulary& vocabulary, const Sentence& sentence) {
  const std::string text = in_case_of(vocabulary, TextRules({"collapse_spaces"}).apply(sentence.text));
  const std::vector<std::string> missing = vocabulary.unspellable(text);
  if (missing.empty()) return text;
  throw DataError("{}: the model cannot spell {} of \"{}\": leave it out, and write numbers and signs as the words that are said",
                  sentence.recording, listed(missing), sentence.text);
}

audio::Audio heard(const std::string& recording, const CtcModel& model) {
  if (fs::is_directory(recording)) throw DataError(ExitCode::input_missing, "{}: expected a recording, found a folder", recording);
  audio::ReadOptions reading;
  reading.sample_rate = model.sample_rate;
  audio::Audio audio = audio::read_audio(recording, reading);
  audio::AudioLimits limits;
  limits.max_s = model.cuts ? std::min(longest_sentence_s, model.longest_s) : longest_sentence_s;
  limits.clipped_share = 1;  // is heard as it is
  if (const auto fault = find_fault(audio, limits))
    throw audio::AudioError(*fault, recording,
                            fmt::format("{:.2f} s, at most {:.0f}; peak {:.5f}", audio.seconds(), limits.max_s, audio.peak));
  return audio;
}

PronouncedSentence judge(const CtcModel& model, const Sentence& sentence) {
  PronouncedSentence out{sentence.recording, spelt(*model.vocabulary, sentence), {}, {}, model.acoustics().frame_s()};
  const std::vector<std::uint32_t> ids = model.vocabulary->encode_plain(out.text);
  out.ids.assign(ids.begin(), ids.end());
  if (word_ranges(out.ids, model.vocabulary->delimiter()).empty())
    throw DataError("{}: expected a sentence, found no words in \"{}\"", sentence.recording, sentence.text);
  const audio::Audio audio = heard(sentence.recording, model);
  const std::int64_t frames = model.lengths.frames_of(static_cast<std::int64_t>(audio.samples.size())), needed = ctc_frames_needed(out.ids);
  if (frames < needed)
    throw DataError("{}: too short for the sentence: its {} characters need at least {:.2f} s, found {:.2f} s", sentence.recording,
                    out.ids.size(), static_cast<double>(model.lengths.samples_needed(needed)) / audio.sample_rate, audio.seconds());
  out.judged = judge_pronunciation(model.log_probs(audio.samples), out.ids, model.vocabulary->blank(), model.vocabulary->delimiter());
  return out;
}

int pronounce(const PronounceArguments& arguments) {
  const bool one = !arguments.recording.empty() && !arguments.text.empty(), many = !arguments.sentences.empty();
  if (one == many || (many && !(arguments.recording.empty() && arguments.text.empty())))
    throw UsageError("expected a recording with --text, or --sentences FILE, found {}", many                           ? "both"
                                                                                        : !arguments.recording.empty() ? "a recording alone"
                                                                                        : !arguments.text.empty()      ? "--text alone"
                                                                                                                       : "neither");
  compute_alone(arguments.threads);
  const at::NoGradGuard no_grad;
  std::size_t failed = 0;
  const std::vector<Sentence> sentences =
      one ? std::vector{Sentence{arguments.recording, arguments.text}} : sentences_in(arguments.sentences, failed);
  const CtcModel model = open_ctc_model(best_of_run(arguments.model), arguments.precision == "bf16" ? at::kBFloat16 : at::kFloat);
  const std::size_t all = sentences.size() + failed;
  bool first = true;
  for (const Sentence& sentence : sentences) {
    PronouncedSentence judged;
    try {
      judged = judge(model, sentence);
    } catch (const Error& error) {  // the others are still worth judging
      if (one) throw;
      ++failed;
      fmt::print(stderr, "thaw: {}\n", error.what());
      continue;
    }
    if (arguments.json) {
      fmt::print("{}\n", pronunciation_json(judged, *model.vocabulary).dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
    } else {
      fmt::print("{}{}", first ? "" : "\n", pronunciation_table(judged, *model.vocabulary));
    }
    first = false;
    flush_output();
  }
  if (failed == 0) return 0;
  fmt::print(stderr, "thaw: {} of {} sentences could not be judged\n", failed, all);
  return static_cast<int>(ExitCode::bad_data);
}

}  // namespace

void add_pronounce(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("pronounce", "How well a known sentence was said, word by word and sound by sound");
  auto arguments = std::make_shared<PronounceArguments>();
  command
      ->add_option(
          "model", arguments->model,
          "A wav2vec 2.0, HuBERT or WavLM with a CTC head, or a Whisper trained with speech.head: ctc: a directory, a run or a hub name")
      ->required();
  command->add_option("recording", arguments->recording, "A file (WAV, FLAC, OGG, MP3) of up to a minute (of a Whisper: 30 s)");
  command->add_option("-t,--text", arguments->text, "The sentence that should be said in it");
  command->add_option("--sentences", arguments->sentences, "A file of lines RECORDING<TAB>SENTENCE; paths begin where the file lies");
  command->add_flag("--json", arguments->json, "One JSON object a sentence");
  command->add_option("--precision", arguments->precision, "fp32 (the default) or bf16")->check(CLI::IsMember({"fp32", "bf16"}));
  command->add_option("--threads", arguments->threads, "Threads (this process's cores)")->check(CLI::PositiveNumber);
  command->footer(
      "Example:  thaw pronounce facebook/wav2vec2-base-960h me.wav --text 'she had your dark suit'\n"
      "Scores: 100 where nothing is more probable than what should be said, 50 where something else is twice as probable, near 0 where\n"
      "something else was said, or nothing. 'heard' is what the model heard instead. A sentence of --sentences that cannot be judged is\n"
      "named, and the others go on (exit code 65).");
  command->callback([=, &exit_code] { exit_code = pronounce(*arguments); });
}

}  // namespace thaw
