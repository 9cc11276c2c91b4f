// thaw transcribe: what is said in recordings, as text, JSON or captions.
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>

#include "datasets/audio/faults.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/text.h"
#include "framework/tasks/transcription/captions.h"
#include "framework/tasks/transcription/transcript_json.h"
#include "launcher/alone.h"
#include "launcher/checks.h"
#include "launcher/commands.h"
#include "launcher/recordings.h"
#include "launcher/transcriber.h"

namespace thaw {
namespace {

struct TranscribeArguments {
  TranscriberOptions transcriber;
  std::string output;
  std::vector<std::string> recordings, formats;
  std::int64_t threads = 0;
  CaptionOptions captions;
};

std::string written(const Transcript& transcript, const fs::path& recording, const std::string& format, const CaptionOptions& captions) {
  if (format == "json") return to_json(transcript, recording.string());
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

// Nothing, and why, where the file cannot be read or heard: the others are still worth hearing.
std::optional<Transcript> heard(const Transcriber& transcriber, const fs::path& file) {
  const auto tell = [](const Error& error) { fmt::print(stderr, "thaw: {}\n", error.what()); };
  try {
    return transcriber(file);
  } catch (const audio::AudioError& error) {
    tell(error);
  } catch (const FileError& error) {
    tell(error);
  }
  return std::nullopt;
}

int transcribe_all(TranscribeArguments arguments) {
  const std::vector<fs::path> files = recordings_of(arguments.recordings);
  if (arguments.formats.empty()) arguments.formats = {"text"};
  CaptionOptions& captions = arguments.captions;
  if (captions.sentences) {
    captions.max_line_width = captions.max_line_width.value_or(42);
    captions.max_line_count = captions.max_line_count.value_or(2);
  } else if (captions.max_words_per_line && captions.max_line_width && captions.max_line_count) {
    throw UsageError("--max-words-per-line: with --max-line-width and --max-line-count it does nothing; leave one of them out");
  }
  arguments.transcriber.word_times |= arguments.transcriber.snap_words || !arguments.transcriber.aligner.empty() ||
                                      captions.max_line_width || captions.max_words_per_line ||
                                      captions.highlight_words;  // lines within segments are cut where words end
  if (arguments.output.empty() && arguments.formats.size() > 1)
    throw UsageError("--format {}: several formats are files: name their folder with --output", fmt::join(arguments.formats, ","));
  const std::string& format = arguments.formats.front();
  if (arguments.output.empty() && files.size() > 1 && format != "text" && format != "json")
    throw UsageError("--format {}: {} recordings are as many files: name their folder with --output", format, files.size());
  if (!arguments.output.empty()) {
    refuse_same_names(files);
    make_directory(arguments.output);
  }
  compute_alone(arguments.threads);
  const at::NoGradGuard no_grad;
  const Transcriber transcriber = open_transcriber(arguments.transcriber);
  std::size_t failed = 0;
  for (const fs::path& file : files) {
    const std::optional<Transcript> transcript = heard(transcriber, file);
    if (!transcript) {
      ++failed;
      continue;
    }
    for (const std::string& one : arguments.formats) {
      const std::string text = written(*transcript, file, one, arguments.captions);
      if (!arguments.output.empty())
        write_file_atomically(fs::path(arguments.output) / (file.stem().string() + "." + (one == "text" ? "txt" : one)), text);
      else if (files.size() > 1 && one == "text") fmt::print("{}\t{}\n", printable_cell(file.string()), trim(transcript->text));
      else fmt::print("{}", text);
    }
    flush_output();
  }
  if (failed == 0) return 0;
  fmt::print(stderr, "thaw: {} of {} recordings could not be transcribed\n", failed, files.size());
  return static_cast<int>(ExitCode::bad_data);
}

std::vector<CLI::Option*> add_for_whisper(CLI::App& group, TranscriberOptions& hearing) {
  return {
      group.add_option("-l,--language", hearing.language, "What is spoken: en, de, … (found out from the first 30 s)"),
      group.add_flag("--translate", hearing.translate, "Into English"),
      group.add_option("--patience", hearing.patience, "Of beam search (1)")->check(CLI::PositiveNumber)->check(from_zero),
      group.add_option("--words", hearing.words, "A file of words, one a line, all forms: a beam search prefers them"),
      group.add_option("--unknown-word", hearing.unknown_word, "Log-probability that any other word costs, of --words (3)")
          ->check(from_zero),
      group.add_option("--best-of", hearing.best_of, "Texts sampled at a temperature above 0 (5)")->check(CLI::PositiveNumber),
      group.add_option("--temperatures", hearing.temperatures, "Tried in turn while a text fails (0,0.2,0.4,0.6,0.8,1)")
          ->delimiter(',')
          ->check(from_zero),
      group.add_option("--prompt", hearing.prompt, "What was said before: names, and how they are written"),
      group.add_flag("--independent", hearing.independent, "Windows know nothing of what was said before them"),
      group.add_flag("--no-timestamps", hearing.no_timestamps, "Without times, as a fine-tuned model may have learnt it"),
      group
          .add_option("--windows", hearing.windows,
                      "text: each window begins where the last one's text ended; pauses: cut at pauses, and many at once, which is faster")
          ->check(CLI::IsMember({"text", "pauses"})),
      group.add_option("--batch", hearing.batch, "Windows at once, of --windows pauses (8)")->check(CLI::PositiveNumber)};
}

}  // namespace

void add_transcribe(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("transcribe", "What is said in recordings, as text, JSON or captions");
  auto arguments = std::make_shared<TranscribeArguments>();
  TranscriberOptions& hearing = arguments->transcriber;
  CaptionOptions& captions = arguments->captions;
  command
      ->add_option("model", hearing.model,
                   "A Whisper (a directory, a hub name, or its .pt or model.bin), or a wav2vec 2.0, HuBERT or WavLM with a CTC head")
      ->required();
  command->add_option("recordings", arguments->recordings, "Files (WAV, FLAC, OGG, MP3), or folders of them")->required();
  command->add_option("-f,--format", arguments->formats, "text, json, srt, vtt, tsv; several, by commas, with --output")
      ->delimiter(',')
      ->check(CLI::IsMember({"text", "json", "srt", "vtt", "tsv"}));
  command
      ->add_flag_callback(
          "--json", [arguments] { arguments->formats = {"json"}; }, "As --format json: an object a recording")
      ->excludes("--format");
  command->add_option("-o,--output", arguments->output, "A folder: a file for each recording and format (standard output)");
  command->add_flag("--word-times", hearing.word_times, "When each word is said");
  command->add_option("--aligner", hearing.aligner, "A CTC model (a directory, a run, a hub name) that says when each word is said");
  command->add_flag("--snap-words", hearing.snap_words, "Words beside a pause begin and end with the voice");
  command->add_option("--beams", hearing.beams, "Beam search with so many (0: the most probable token, or label, each time)")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000}));
  command->add_option("--max-line-width", captions.max_line_width, "Characters of a caption's line")->check(CLI::PositiveNumber);
  command->add_option("--max-line-count", captions.max_line_count, "Lines of a caption")->check(CLI::PositiveNumber);
  command->add_option("--max-words-per-line", captions.max_words_per_line, "Words of a caption's line, at most")
      ->check(CLI::PositiveNumber);
  command->add_flag("--highlight-words", captions.highlight_words, "Captions underline each word as it is said");
  command->add_flag("--sentences", captions.sentences,
                    "Captions of two lines of 42 characters (or as said above) that end with sentences and at pauses");
  command->add_option("--precision", hearing.precision, "fp32 (the default) or bf16")->check(CLI::IsMember({"fp32", "bf16"}));
  command->add_option("--threads", arguments->threads, "Threads (this process's cores)")->check(CLI::PositiveNumber);
  const std::vector<CLI::Option*> for_whisper = add_for_whisper(*command->add_option_group("Whisper alone"), hearing);
  command->footer(
      "Example:  thaw transcribe openai/whisper-base talk.mp3 --format srt,json --output captions\n"
      "A recording that cannot be heard is named, and the others go on (exit code 65); a path that is not there ends it at once (66).");
  command->callback([=, &exit_code] {
    for (const CLI::Option* option : for_whisper)
      if (option->count() > 0) arguments->transcriber.for_whisper.push_back(option->get_name());
    exit_code = transcribe_all(*arguments);
  });
}

}  // namespace thaw
