// A Kaldi data directory (kaldi-asr.org/doc/data_prep.html): wav.scp "recording path" or "recording command |", segments
// "utterance recording begin end" where recordings are cut, text, utt2spk, utt2lang, utt2dur "utterance …".
// Paths are looked for below the directory, then as they stand. A command is run later, and only where that is allowed.
#include <algorithm>
#include <unordered_map>

#include "datasets/speech/readers.h"

namespace thaw {
namespace {

struct Said {
  std::string value;
  std::uint64_t line = 0;
};

struct Map {
  std::unordered_map<std::string, Said> lines;
  std::uint32_t file = 0;
  std::string of(const std::string& key) const {
    const auto found = lines.find(key);
    return found == lines.end() ? "" : found->second.value;
  }
  // Lines and their keys that are not among `keys`, in the file's order.
  std::vector<std::pair<std::uint64_t, std::string>> without(const std::unordered_set<std::string>& keys) const {
    std::vector<std::pair<std::uint64_t, std::string>> rest;
    for (const auto& [key, said] : lines)
      if (!keys.contains(key)) rest.emplace_back(said.line, key);
    std::sort(rest.begin(), rest.end());
    return rest;
  }
};

enum class Repeated { bad, seen_to_elsewhere };

Map read_map(const fs::path& path, CorpusBuilder& corpus, Repeated repeated = Repeated::bad) {
  Map map;
  if (!fs::exists(path)) return map;
  Lines lines(path, corpus);
  map.file = lines.file();
  for (std::string line; lines.next(line);) {
    auto [key, value] = first_word(line);
    if (!map.lines.emplace(key, Said{std::move(value), lines.number()}).second && repeated == Repeated::bad)
      corpus.bad_row(lines.file(), lines.number(), fmt::format("'{}' stood there before", key));
  }
  return map;
}

// What the utterances are cut out of.
class Recordings {
 public:
  Recordings(const fs::path& folder, CorpusBuilder& corpus, Repeated repeated)
      : folder_(folder), map_(read_map(folder / "wav.scp", corpus, repeated)) {
    if (corpus.options().allow_pipes) return;
    const Said* first = nullptr;
    for (const auto& [id, said] : map_.lines)
      if (said.value.ends_with('|') && (first == nullptr || said.line < first->line)) first = &said;
    if (first != nullptr)
      throw DataError(
          "{}: '{}' is a command, which would be run here with your rights: read it, then shard it with thaw shard --allow-pipes, or "
          "write the audio to files",
          corpus.where(map_.file, first->line), beginning(first->value, 200));
  }

  void place(const std::string& id, Utterance& utterance) const {
    std::string value = map_.of(id);
    utterance.pipe = value.ends_with('|');
    if (utterance.pipe) value.pop_back();
    std::error_code error;  // of a name that no file can have
    const bool below = !utterance.pipe && !value.empty() && fs::path(value).is_relative() && fs::exists(folder_ / value, error);
    utterance.audio = below ? (folder_ / value).string() : value.empty() ? "recording " + id : std::string(trim(value));
  }

  void report_uncut(const std::unordered_set<std::string>& cut, CorpusBuilder& corpus) const {
    for (const auto& [line, id] : map_.without(cut))
      corpus.leave_out(Fault::audio_without_text, corpus.where(map_.file, line), id, "no segment is cut out of it");
  }

 private:
  fs::path folder_;
  Map map_;
};

// "recording begin end", the end -1 where the segment reaches to the recording's.
bool read_segment(const std::string& value, std::string& recording, Utterance& utterance) {
  std::string times, end;
  std::tie(recording, times) = first_word(value);
  std::string begin;
  std::tie(begin, end) = first_word(times);
  const std::optional<double> from = seconds_of(begin), to = seconds_of(end);
  if (!from || (!to && trim(end) != "-1") || (to && *to <= *from)) return false;
  utterance.begin_s = *from;
  utterance.end_s = to;
  return true;
}

}  // namespace

void read_kaldi(const fs::path& path, CorpusBuilder& corpus) {
  const fs::path folder = fs::is_directory(path) ? path : path.parent_path();
  const bool cut = fs::exists(folder / "segments");
  const Recordings recordings(folder, corpus, cut ? Repeated::bad : Repeated::seen_to_elsewhere);
  const Map text = read_map(folder / "text", corpus), speakers = read_map(folder / "utt2spk", corpus),
            languages = read_map(folder / "utt2lang", corpus), durations = read_map(folder / "utt2dur", corpus);
  std::unordered_set<std::string> heard, used;  // utterances, and the recordings that they are cut out of
  Lines lines(folder / (cut ? "segments" : "wav.scp"), corpus);
  for (std::string line; lines.next(line);) {
    auto [id, value] = first_word(line);
    heard.insert(id);
    Utterance utterance;
    std::string recording = id;
    const bool read = !cut || read_segment(value, recording, utterance);
    used.insert(recording);
    if (!read) {
      corpus.bad_row(lines.file(), lines.number(), "expected: utterance recording begin end, in seconds");
      continue;
    }
    recordings.place(recording, utterance);
    utterance.text = text.of(id);
    utterance.speaker = speakers.of(id);
    utterance.language = languages.of(id);
    utterance.duration_s = seconds_of(durations.of(id));
    utterance.file = lines.file(), utterance.line = lines.number();
    utterance.id = std::move(id);
    corpus.add(std::move(utterance));
  }
  for (const auto& [line, id] : text.without(heard))
    corpus.leave_out(Fault::text_without_audio, corpus.where(text.file, line), id,
                     fmt::format("{} has no line for it", cut ? "segments" : "wav.scp"));
  if (cut) recordings.report_uncut(used, corpus);
}

}  // namespace thaw
