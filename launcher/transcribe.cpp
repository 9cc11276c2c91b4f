// thaw transcribe: what is said in recordings, as text, JSON or captions.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>

#include "datasets/audio/voice.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/machine.h"
#include "framework/base/text.h"
#include "framework/tasks/transcription/batched_transcription.h"
#include "framework/tasks/transcription/captions.h"
#include "framework/tasks/transcription/transcript_json.h"
#include "launcher/commands.h"
#include "launcher/recordings.h"
#include "launcher/speech_model.h"

namespace thaw {
namespace {

constexpr double longest_window_s = 30;

struct TranscribeArguments {
  std::string model, output, language, prompt, precision = "fp32", windows = "text";
  std::vector<std::string> recordings, formats;
  std::vector<double> temperatures;
  bool translate = false, word_times = false, independent = false, no_timestamps = false;
  std::int64_t beams = 0, best_of = 5, batch = 8, threads = 0;
  double patience = 1;
  CaptionOptions captions;
};

std::string written(const Transcript& transcript, const std::string& format, const CaptionOptions& captions) {
  if (format == "json") return to_json(transcript) + "\n";
  if (format == "srt") return to_srt(transcript, captions);
  if (format == "vtt") return to_vtt(transcript, captions);
  return format == "tsv" ? to_tsv(transcript) : to_text(transcript);
}

// Two recordings of one name, or of one in two folders, would take each other's place.
void refuse_same_names(const std::vector<fs::path>& files) {
  std::map<std::string, fs::path> names;
  for (const fs::path& file : files)
    if (const auto [other, fresh] = names.emplace(file.stem().string(), file); !fresh)
      throw UsageError("{} and {}: both would be written to the same file in --output; give them in turn, with two folders",
                       other->second.string(), file.string());
}

class Transcriber {
 public:
  explicit Transcriber(const TranscribeArguments& arguments)
      : arguments_(arguments), model_(open_speech_model(arguments.model, arguments.precision == "bf16" ? at::kBFloat16 : at::kFloat)) {
    options_.decoding.language = arguments.language;
    options_.decoding.translate = arguments.translate;
    options_.decoding.beam_size = arguments.beams;
    options_.decoding.patience = arguments.patience;
    options_.decoding.best_of = arguments.best_of;
    options_.decoding.timestamps = !arguments.no_timestamps;
    if (!arguments.prompt.empty()) options_.decoding.prompt = model_.encode(" " + arguments.prompt);
    if (!arguments.temperatures.empty()) options_.fallback.temperatures = arguments.temperatures;
    options_.condition_on_previous_text = !arguments.independent;
    options_.word_times = arguments.word_times;
    options_.words.heads = model_.heads;
  }

  Transcript operator()(const fs::path& file) {
    const audio::Audio recording = audio::read_audio(file);
    const at::Tensor features = model_.features(recording);
    if (arguments_.windows == "text") return transcribe(*model_.decoder, model_.vocabulary, features, options_);
    std::vector<SpeechRegion> voiced;
    for (const audio::Region& region : audio::VoiceActivity(recording.samples, recording.sample_rate).windows(longest_window_s))
      voiced.push_back({region.begin_s, region.end_s});
    return transcribe_windows(*model_.decoder, model_.vocabulary, features, voiced, arguments_.batch, options_);
  }

 private:
  const TranscribeArguments& arguments_;
  SpeechModel model_;
  TranscriptionOptions options_;
};

int transcribe_all(TranscribeArguments arguments) {
  const std::vector<fs::path> files = recordings_of(arguments.recordings);
  if (arguments.formats.empty()) arguments.formats = {"text"};
  const CaptionOptions& captions = arguments.captions;
  arguments.word_times |=
      captions.max_line_width || captions.max_words_per_line || captions.highlight_words;  // lines within segments are cut where words end
  if (arguments.output.empty() && arguments.formats.size() > 1)
    throw UsageError("--format {}: several formats are files: name their folder with --output", fmt::join(arguments.formats, ","));
  if (!arguments.output.empty()) {
    refuse_same_names(files);
    make_directory(arguments.output);
  }
  const Machine machine = this_machine();
  at::set_num_threads(arguments.threads > 0 ? static_cast<int>(arguments.threads) : threads_for_rank(machine, {machine.affinity}));
  const at::NoGradGuard no_grad;
  Transcriber transcriber(arguments);
  std::size_t failed = 0;
  for (const fs::path& file : files) {
    Transcript transcript;
    try {
      transcript = transcriber(file);
    } catch (const audio::AudioError& error) {  // the others are still worth hearing
      ++failed;
      fmt::print(stderr, "thaw: {}\n", error.what());
      continue;
    }
    for (const std::string& format : arguments.formats) {
      const std::string text = written(transcript, format, arguments.captions);
      if (!arguments.output.empty())
        write_file_atomically(fs::path(arguments.output) / (file.stem().string() + "." + (format == "text" ? "txt" : format)), text);
      else if (files.size() > 1 && format == "text") fmt::print("{}\t{}\n", file.string(), trim(transcript.text));
      else fmt::print("{}", text);
    }
    std::fflush(stdout);
  }
  if (failed == 0) return 0;
  fmt::print(stderr, "thaw: {} of {} recordings could not be transcribed\n", failed, files.size());
  return static_cast<int>(ExitCode::bad_data);
}

}  // namespace

void add_transcribe(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("transcribe", "What is said in recordings, as text, JSON or captions");
  auto arguments = std::make_shared<TranscribeArguments>();
  command->add_option("model", arguments->model, "A Whisper: a directory, a hub name, or its .pt or model.bin")->required();
  command->add_option("recordings", arguments->recordings, "Files (WAV, FLAC, OGG, MP3), or folders of them")->required();
  command->add_option("-f,--format", arguments->formats, "text, json, srt, vtt, tsv; several, by commas, with --output")
      ->delimiter(',')
      ->check(CLI::IsMember({"text", "json", "srt", "vtt", "tsv"}));
  command->add_option("-o,--output", arguments->output, "A folder: a file for each recording and format (standard output)");
  command->add_option("-l,--language", arguments->language, "What is spoken: en, de, … (found out from the first 30 s)");
  command->add_flag("--translate", arguments->translate, "Into English");
  command->add_flag("--word-times", arguments->word_times, "When each word is said");
  command->add_option("--beams", arguments->beams, "Beam search with so many (0: the most probable token each time)");
  command->add_option("--patience", arguments->patience, "Of beam search (1)");
  command->add_option("--best-of", arguments->best_of, "Texts sampled at a temperature above 0 (5)");
  command->add_option("--temperatures", arguments->temperatures, "Tried in turn while a text fails (0,0.2,0.4,0.6,0.8,1)")->delimiter(',');
  command->add_option("--prompt", arguments->prompt, "What was said before: names, and how they are written");
  command->add_flag("--independent", arguments->independent, "Windows know nothing of what was said before them");
  command->add_flag("--no-timestamps", arguments->no_timestamps, "Without times, as a fine-tuned model may have learnt it");
  command
      ->add_option("--windows", arguments->windows,
                   "text: each window begins where the last one's text ended; pauses: cut at pauses, and many at once, which is faster")
      ->check(CLI::IsMember({"text", "pauses"}));
  command->add_option("--batch", arguments->batch, "Windows at once, of --windows pauses (8)")->check(CLI::PositiveNumber);
  command->add_option("--max-line-width", arguments->captions.max_line_width, "Characters of a caption's line");
  command->add_option("--max-line-count", arguments->captions.max_line_count, "Lines of a caption");
  command->add_option("--max-words-per-line", arguments->captions.max_words_per_line, "Words of a caption's line");
  command->add_flag("--highlight-words", arguments->captions.highlight_words, "Captions underline each word as it is said");
  command->add_option("--precision", arguments->precision, "fp32 (the default) or bf16")->check(CLI::IsMember({"fp32", "bf16"}));
  command->add_option("--threads", arguments->threads, "Threads (this process's cores)")->check(CLI::PositiveNumber);
  command->footer(
      "Example:  thaw transcribe openai/whisper-base talk.mp3 --format srt,json --output captions\n"
      "A recording that cannot be heard is named, and the others go on (exit code 65).");
  command->callback([=, &exit_code] { exit_code = transcribe_all(*arguments); });
}

}  // namespace thaw
