// thaw shard: source files of text, and corpora of speech, into HDF5 shards, by all ranks together.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <set>

#include "datasets/shards/shard.h"
#include "framework/base/clock.h"
#include "framework/base/terminal.h"
#include "framework/models/hub.h"
#include "framework/models/registry.h"
#include "framework/train/encoder.h"
#include "launcher/commands.h"
#include "launcher/progress.h"
#include "launcher/ranks.h"
#include "launcher/shard_speech.h"

namespace thaw {
namespace {

struct Options {
  std::vector<std::string> sources;
  std::string out, model, format = "auto", header = "auto", delimiter, kind = "one", labels, split;
  std::optional<std::int64_t> max_length;
  std::optional<std::uint64_t> rows_per_shard;
  std::uint64_t split_seed = 42;
  ReadOptions read;
  SpeechWords speech;
  std::set<std::string> said;  // of --text, --label, --label-kind, --id, --weight, --group, the words that stood there
  bool json = false;
};

// A row of text is some hundred bytes, one of speech some hundred thousand.
constexpr std::uint64_t usual_text_rows = 8192, usual_speech_rows = 512;
constexpr std::int64_t usual_max_length = 512;

const std::map<std::string, SourceFormat> formats(source_formats.begin(), source_formats.end());
const std::map<std::string, Header> header_choices(headers.begin(), headers.end());
const std::map<std::string, LabelKind> kinds{
    {"one", LabelKind::one}, {"several", LabelKind::several}, {"number", LabelKind::number}, {"none", LabelKind::none}};

std::vector<std::string> labels_in(const std::string& text) {
  std::vector<std::string> names;
  if (text.empty()) return names;
  std::set<std::string> seen;
  for (const std::string& part : split(text, ',')) {
    const std::string name(trim(part));
    if (name.empty())
      throw UsageError("--labels: expected names with a comma between two, found nothing where a name should be: '{}'", text);
    if (!seen.insert(name).second) throw UsageError("--labels: the label '{}' stands there twice; keep one", name);
    names.push_back(name);
  }
  return names;
}

ReadOptions read_options(const Options& given) {
  ReadOptions read = given.read;
  read.format = formats.at(given.format);
  read.header = header_choices.at(given.header);
  read.label_kind = kinds.at(given.kind);
  read.label_names = labels_in(given.labels);
  const std::optional<char> delimiter = delimiter_of(given.delimiter);
  if (!delimiter) throw UsageError("--delimiter: expected {}, found '{}'", delimiter_words, given.delimiter);
  read.delimiter = *delimiter;
  if (given.split.find('=') == std::string::npos) read.split = given.split;
  return read;
}

std::vector<ShardIndex> indexes_of(const ShardReport& report) {
  std::vector<ShardIndex> indexes;
  for (const auto& directory : report.directories) indexes.push_back(directory.index);
  return indexes;
}

// How fast is known where everything was done now.
SpeechReport speech_report(const ShardReport& report, double seconds) {
  return report_of(indexes_of(report), report.kept == 0 ? seconds : 0);
}

Json json_of(const ShardReport& report, double seconds, bool speech) {
  Json json{{"written", report.written}, {"kept", report.kept}, {"seconds", seconds}, {"directories", Json::array()}};
  for (const auto& directory : report.directories)
    json["directories"].push_back({{"path", directory.path.string()},
                                   {"split", directory.split},
                                   {"rows", directory.index.rows},
                                   {"tokens", directory.index.tokens},
                                   {"shards", directory.index.shards.size()},
                                   {"truncated", directory.index.truncated},
                                   {"repaired", directory.index.repaired},
                                   {"skipped", directory.index.skipped},
                                   {"labels", directory.index.labels}});
  if (speech) json["speech"] = speech_report(report, seconds).to_json();
  return json;
}

void print_report(const ShardReport& report, double seconds, bool speech) {
  for (const auto& [split, path, index] : report.directories) {
    fmt::print("{}: {} rows, {} tokens in {} shards{}\n", printable(path.string()), index.rows, index.tokens, index.shards.size(),
               index.labels.empty() ? "" : "; labels: " + printable(listed(index.labels)));
    if (index.truncated > 0) fmt::print("  {} rows were longer than {} tokens and are cut there\n", index.truncated, index.max_length);
    if (index.repaired > 0) fmt::print("  {} rows of the sources had bytes that are not UTF-8; U+FFFD stands for them\n", index.repaired);
    if (index.skipped > 0) fmt::print("  {} bad rows of the sources were skipped\n", index.skipped);
  }
  if (speech) fmt::print("{}", printable(speech_report(report, seconds).to_text()));
  fmt::print("{} shards written, {} kept, in {:.1f} s\n", report.written, report.kept, seconds);
}

// Speech has columns of its own names, unless others were said.
SpeechWords speech_words(const Options& given, const ReadOptions& read) {
  SpeechWords words = given.speech;
  for (const auto& [use, name] :
       {std::pair("text", read.text), {"label", read.label}, {"id", read.id}, {"weight", read.weight}, {"group", read.group}})
    if (given.said.contains(use)) words.options.columns[use] = name;
  if (!read.split.empty() && read.split != "split") words.options.columns["split"] = read.split;
  words.options.delimiter = read.delimiter;
  if (!read.pair.empty()) throw UsageError("--pair: rows of speech have one text");
  if (read.format != SourceFormat::by_name)
    throw UsageError("--format: speech has the format of its corpus in --corpus; leave this option out");
  if (read.header != Header::automatic)
    throw UsageError("--header: speech has numbers in --column where a table has no header; leave this option out");
  if (read.skip_bad_rows) throw UsageError("--skip-bad-rows: speech lists bad rows and goes on up to --bad-limit; leave this option out");
  return words;
}

int shard(Ranks& ranks, const Options& given) {
  const auto start = Clock::now();
  const bool speech = is_speech(given.speech, given.sources);
  ShardOptions options;
  options.read = read_options(given);
  options.rows_per_shard = given.rows_per_shard.value_or(speech ? usual_speech_rows : usual_text_rows);
  if (given.split.find('=') != std::string::npos) options.fractions = SplitFractions::parse(given.split, given.split_seed);
  if (speech && !given.said.contains("label_kind"))
    options.read.label_kind = has_classes(given.speech, given.sources) ? LabelKind::one : LabelKind::none;
  if (given.model.empty() && (!speech || options.read.label_kind == LabelKind::none))
    throw UsageError("--model is required: its tokenizer makes ids of the texts");

  std::optional<ModelPlace> place;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<TokenizerEncoder> encoder;
  if (!given.model.empty()) {
    place = find_model(given.model);
    if (speech) {
      options.max_length = given.max_length.value_or(0);  // a model's positions are those of its audio
    } else {
      const JsonFile config(place->directory / "config.json");
      options.max_length = std::min(given.max_length.value_or(usual_max_length), build_model(config.view(), {})->max_positions);
    }
    tokenizer = load_tokenizer(place->directory);
    encoder = std::make_unique<TokenizerEncoder>(*tokenizer, options.max_length);
  }
  const ShardRanks shared{ranks.comm->rank(), ranks.comm->size(),
                          [&](const std::string& mine) { return ranks.comm->all_gather_text(mine); },
                          [](const std::string& line) { fmt::print(stderr, "{}\n", printable(line)); }};
  // The ranks' shares are about equal: one of them tells how far all are.
  const Terminal terminal;
  Progress line(stderr, terminal.there(), shared.size > 1 ? "rank 0: " : "");
  const auto progress = [&](std::uint64_t done, std::uint64_t all) {
    if (ranks.first()) line(done, all);
  };
  const std::vector<fs::path> sources(given.sources.begin(), given.sources.end());
  ShardReport report;
  if (speech) {
    const SpeechOptions how = speech_options(speech_words(given, options.read), place ? place->directory : fs::path(), tokenizer.get());
    report = write_speech_shards(sources, given.out, encoder.get(), how, options, shared, progress);
  } else {
    report = write_shards(sources, given.out, *encoder, options, shared, progress);
  }
  const double seconds = seconds_since(start);
  if (!ranks.first()) return 0;
  if (given.json) fmt::print("{}\n", json_of(report, seconds, speech).dump(-1, ' ', false, Json::error_handler_t::replace));
  else print_report(report, seconds, speech);
  return 0;
}

}  // namespace

void add_shard(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("shard", "Turn TSV, CSV or JSONL files, or corpora of speech, into HDF5 shards");
  auto options = std::make_shared<Options>();
  command->add_option("sources", options->sources, "Files of text to read; - is standard input. Or corpora of speech")->required();
  command->add_option("--out", options->out, "The directory to write; with --split, one in it for each split")->required();
  command->add_option("--model", options->model, "The model whose tokenizer is used: a directory or a hub name");
  command->add_option("--format", options->format, "tsv, csv or jsonl; auto: by the file's ending")
      ->check(CLI::IsMember(formats))
      ->capture_default_str();
  command->add_option("--header", options->header, "Whether the first line names the columns; auto: where it names one that is wanted")
      ->check(CLI::IsMember(header_choices))
      ->capture_default_str();
  command->add_option("--delimiter", options->delimiter, "Between columns: one character, or tab; else a tab in TSV, a comma in CSV");
  command->add_option("--text", options->read.text, "Column of the text: a name of the header, or a number from 0")->capture_default_str();
  command->add_option("--pair", options->read.pair, "Column of a second text");
  command->add_option("--label", options->read.label, "Column of the label")->capture_default_str();
  command->add_option("--label-kind", options->kind, "one, several, number or none a row")
      ->check(CLI::IsMember(kinds))
      ->capture_default_str();
  command->add_option("--labels", options->labels, "The labels in their order, with commas; else those found, sorted");
  command->add_option("--separator", options->read.separator, "Between several labels of a row")->capture_default_str();
  command->add_option("--id", options->read.id, "Column of the row's id; else its line number");
  command->add_option("--weight", options->read.weight, "Column of the row's weight");
  command->add_option("--group", options->read.group, "Column of what a split keeps together: a speaker, a document");
  command->add_option("--split", options->split, "Fractions, as train=0.8,dev=0.1,test=0.1, or the column that names a row's split");
  command->add_option("--split-seed", options->split_seed, "Seed of the fractions")->capture_default_str();
  command
      ->add_option("--max-length", options->max_length,
                   fmt::format("Tokens of a row; longer ones are cut and counted; else {}, of speech any number", usual_max_length))
      ->check(CLI::Range(3, 1 << 30));
  command
      ->add_option("--rows-per-shard", options->rows_per_shard,
                   fmt::format("Rows of one file; else {}, of speech {}", usual_text_rows, usual_speech_rows))
      ->check(CLI::Range(1, 1 << 30));
  command->add_flag("--skip-bad-rows", options->read.skip_bad_rows, "Count rows that cannot be read, and go on");
  command->add_flag("--json", options->json, "Report in JSON");
  add_speech_options(*command, options->speech);
  command->footer(
      "Example:  mpirun -n 4 thaw shard reviews.csv --model my-model --out shards --split train=0.8,dev=0.1,test=0.1 --group author\n"
      "          mpirun -n 4 thaw shard LibriSpeech/train-clean-100 --audio flac --model my-model --out shards --text-rule lower");
  command->callback([=, &exit_code] {
    for (const auto& [option, use] : {std::pair("--text", "text"),
                                      {"--label", "label"},
                                      {"--label-kind", "label_kind"},
                                      {"--id", "id"},
                                      {"--weight", "weight"},
                                      {"--group", "group"}})
      if (command->count(option) > 0) options->said.insert(use);
    exit_code = run_on_ranks([&](Ranks& ranks) { return shard(ranks, *options); });
  });
}

}  // namespace thaw
