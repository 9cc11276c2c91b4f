#include "datasets/speech/corpus.h"

#include <algorithm>
#include <array>

#include "datasets/speech/manifest.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

constexpr std::array<const char*, faults> fault_names{
    "unreadable",         "empty",       "silent",      "clipped",        "too_short", "too_long",    "text_without_audio",
    "audio_without_text", "unspellable", "header_lies", "wrong_duration", "bad_row",   "duplicate_id"};

fs::path folder_of(const std::string& corpus) {
  return (fs::is_directory(corpus) ? fs::path(corpus) : fs::path(corpus).parent_path()).lexically_normal();
}

CorpusFormat look_at_directory(const fs::path& path, const CorpusOptions& options) {
  if (!options.pattern.empty()) return CorpusFormat::folders;
  if (fs::exists(path / "wav.scp")) return CorpusFormat::kaldi;
  if (fs::exists(path / "metadata.csv") && first_line(path / "metadata.csv").find('|') != std::string::npos) return CorpusFormat::lj_speech;
  if (!festvox_prompts(path).empty()) return CorpusFormat::festvox;
  if (fs::is_directory(path / "clips")) return CorpusFormat::common_voice;
  if (has_transcripts(path)) return CorpusFormat::librispeech;
  for (const auto& folder : fs::directory_iterator(path))
    if (folder.is_directory())
      for (const auto& file : fs::directory_iterator(folder))
        if (is_audio(file.path())) return CorpusFormat::folders;
  throw DataError(
      "{}: expected a corpus of speech, found none of wav.scp, metadata.csv (id|text|text), txt.done.data, clips/, *.trans.txt, or "
      "folders of audio: name its manifest, its format (--corpus; in a recipe data.audio.corpus), or a pattern of its files' names "
      "(--pattern; data.audio.pattern)",
      path.string());
}

CorpusFormat look_at_file(const fs::path& path) {
  const std::string name = path.filename().string(), ending = ending_of(path), line = first_line(path);
  if (name.ends_with(".trans.txt")) return CorpusFormat::librispeech;
  if (name == "wav.scp") return CorpusFormat::kaldi;
  if (name == "txt.done.data" || trim(line).starts_with("( ")) return CorpusFormat::festvox;
  if (ending == ".jsonl" || ending == ".ndjson" || ending == ".json" || trim(line).starts_with('{')) return CorpusFormat::jsonl;
  if (name == "metadata.csv" && std::count(line.begin(), line.end(), '|') == 2) return CorpusFormat::lj_speech;
  if (ending == ".tsv" && ("\t" + line + "\t").find("\tclient_id\t") != std::string::npos && fs::is_directory(path.parent_path() / "clips"))
    return CorpusFormat::common_voice;
  if (ending == ".tsv" || ending == ".csv" || ending == ".txt") return CorpusFormat::table;
  throw DataError("{}: cannot tell its format: expected .tsv, .csv, .jsonl, *.trans.txt or txt.done.data; or name it (--corpus)",
                  path.string());
}

}  // namespace

const char* name_of(CorpusFormat format) {
  for (const auto& [name, known] : corpus_formats)
    if (known == format) return name;
  return "";
}

const char* name_of(Fault fault) { return fault_names[static_cast<std::size_t>(fault)]; }

bool is_filter(std::string_view reason) { return reason == name_of(Fault::too_short) || reason == name_of(Fault::too_long); }

CorpusFormat look_at_corpus(const fs::path& path, const CorpusOptions& options) {
  if (!fs::exists(path)) throw DataError(ExitCode::input_missing, "{}: there is no such file or directory", path.string());
  if (options.format != CorpusFormat::automatic) return options.format;
  return fs::is_directory(path) ? look_at_directory(path, options) : look_at_file(path);
}

Corpus read_corpus(const fs::path& typed, const CorpusOptions& options) {
  const fs::path path = typed.has_filename() ? typed : typed.parent_path();  // "data/" is "data"
  check_columns(options);
  const CorpusFormat format = look_at_corpus(path, options);
  CorpusBuilder corpus(path, format, options);
  const auto needs_file = [&] {
    if (fs::is_directory(path)) throw DataError("{}: {}: expected a file, found a directory", path.string(), name_of(format));
  };
  switch (format) {
    case CorpusFormat::librispeech: read_librispeech(path, corpus); break;
    case CorpusFormat::common_voice: read_common_voice(path, corpus); break;
    case CorpusFormat::lj_speech: read_lj_speech(path, corpus); break;
    case CorpusFormat::kaldi: read_kaldi(path, corpus); break;
    case CorpusFormat::jsonl: needs_file(), read_jsonl(path, corpus); break;
    case CorpusFormat::festvox: read_festvox(path, corpus); break;
    case CorpusFormat::table: needs_file(), read_table(path, corpus); break;
    case CorpusFormat::folders: read_folders(path, corpus); break;
    case CorpusFormat::automatic: throw Error(ExitCode::bug, "a corpus without a format");
  }
  return corpus.finish();
}

std::string Corpus::where(const Utterance& utterance) const {
  return utterance.line == 0 ? utterance.audio : fmt::format("{}:{}", files.at(utterance.file), utterance.line);
}

std::string Corpus::about(const Utterance& utterance, const std::string& detail) const {
  if (where(utterance) == utterance.audio || detail.find(utterance.audio) != std::string::npos) return detail;
  if (utterance.pipe) return fmt::format("'{} |': {}", beginning(trim(utterance.audio), 200), detail);
  const fs::path below = fs::path(utterance.audio).lexically_normal().lexically_relative(folder_of(path));
  return fmt::format("{}: {}", below.empty() || *below.begin() == ".." ? utterance.audio : below.string(), detail);
}

std::string Corpus::fingerprint() const {
  const std::string root = folder_of(path).string();
  const auto below = [&](const std::string& place) {
    const std::string normal = fs::path(place).lexically_normal().string();
    return !root.empty() && normal.starts_with(root) ? normal.substr(root.size()) : normal;
  };
  Hasher hasher;
  for (const Utterance& one : utterances) {
    const std::string times =
        fmt::format("{} {} {} {} {}", one.begin_s, one.end_s.value_or(-1), one.duration_s.value_or(-1), one.weight, one.line);
    for (const std::string& part :
         {one.id, one.pipe ? one.audio : below(one.audio), times, one.text, one.speaker, one.language, one.group, one.label, one.split})
      hasher.update(part).update("\0", 1);
  }
  return hasher.hex();
}

}  // namespace thaw
