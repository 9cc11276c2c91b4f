#include "datasets/speech/manifest.h"

#include <algorithm>

#include "datasets/shards/split.h"

namespace thaw {
namespace {

// The usual names: NeMo's, ESPnet's and WeNet's keys, Common Voice's and the hub's columns. The first is the field's own.
const std::array<std::vector<std::string>, fields> usual_names{{
    {"audio", "audio_filepath", "audio_path", "path", "wav", "file", "file_name", "filename", "clip"},
    {"text", "sentence", "transcription", "transcript", "txt", "normalized_text"},
    {"id", "utt_id", "utt", "key"},
    {"speaker", "speaker_id", "spk", "client_id"},
    {"language", "lang", "locale"},
    {"group"},
    {"label", "class", "category"},
    {"split"},
    {"weight"},
    {"duration", "seconds"},
    {"begin", "offset", "start"},
    {"end", "stop"},
}};

std::size_t at(Field field) { return static_cast<std::size_t>(field); }

}  // namespace

const char* name_of(Field field) { return usual_names[at(field)][0].c_str(); }

void check_columns(const CorpusOptions& options) {
  for (const auto& [use, column] : options.columns)
    if (std::none_of(usual_names.begin(), usual_names.end(), [&, &name = use](const auto& names) { return names[0] == name; })) {
      std::vector<std::string> known;
      for (const auto& names : usual_names) known.push_back(names[0]);
      throw DataError("column {}={}: expected one of {} to stand before '='", use, column, fmt::join(known, ", "));
    }
}

fs::path root_of(const fs::path& manifest, const CorpusOptions& options) {
  return options.audio_root.empty() ? manifest.parent_path() : fs::path(options.audio_root);
}

int Manifest::find(Field field, const std::vector<std::string>& names, const std::string& where) const {
  const auto place = [&](const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? -1 : static_cast<int>(found - names.begin());
  };
  const auto& columns = corpus_.options().columns;
  if (const auto said = columns.find(name_of(field)); said != columns.end()) {
    const int found = place(said->second);
    if (found < 0)
      throw DataError("{}: expected '{}' ({}), found {}: name the right one (--column {}=NAME; in a recipe data.audio.columns)", where,
                      said->second, name_of(field), listed(names), name_of(field));
    return found;
  }
  if (field == Field::split && !corpus_.options().with_split) return -1;
  for (const std::string& name : usual_names[at(field)])
    if (const int found = place(name); found >= 0) return found;
  return -1;
}

std::vector<Field> Manifest::needed() const {
  std::vector<Field> all{Field::audio};
  if (corpus_.options().need_text) all.push_back(Field::text);
  if (corpus_.options().need_label) all.push_back(Field::label);
  return all;
}

void Manifest::lacks(Field field, const char* kind, const std::vector<std::string>& names, const std::string& where) const {
  find(field, names, where);  // says it where another name was given
  throw DataError("{}: expected a {} with the {}, found {}: name it (--column {}=NAME; in a recipe data.audio.columns)", where, kind,
                  field == Field::audio ? "audio's path" : name_of(field), listed(names), name_of(field));
}

void Manifest::add(const FieldValues& values, std::uint64_t line) {
  const auto value = [&](Field field) { return std::string(trim(values[at(field)].value_or(""))); };
  const auto bad = [&](const std::string& detail) { corpus_.bad_row(file_, line, detail); };
  Utterance utterance;
  if (value(Field::audio).empty()) return bad("names no audio");
  const fs::path audio = value(Field::audio);
  utterance.audio = (audio.is_relative() ? root_ / audio : audio).lexically_normal().string();
  utterance.text = value(Field::text);
  utterance.id = value(Field::id);
  if (utterance.id.empty()) utterance.id = fmt::format("{}{}", file_ == 0 ? "" : fmt::format("{}:", file_), line);
  utterance.speaker = value(Field::speaker);
  utterance.language = value(Field::language);
  utterance.group = value(Field::group);
  utterance.label = value(Field::label);
  utterance.split = value(Field::split);
  if (values[at(Field::split)] && !is_split_name(utterance.split))
    return bad(fmt::format("split '{}': expected {}", beginning(utterance.split, 80), split_name_words));
  std::array<std::optional<double>, fields> numbers;
  for (const Field field : {Field::weight, Field::duration, Field::begin, Field::end}) {
    if (value(field).empty()) continue;
    numbers[at(field)] = seconds_of(value(field));
    if (!numbers[at(field)])
      return bad(fmt::format("expected a number of 0 or more as {}, found '{}'", name_of(field), beginning(value(field), 40)));
  }
  utterance.weight = numbers[at(Field::weight)].value_or(1);
  utterance.duration_s = numbers[at(Field::duration)];
  utterance.begin_s = numbers[at(Field::begin)].value_or(0);
  utterance.end_s = numbers[at(Field::end)];
  // An offset makes the duration that of a segment, as in NeMo; 0 is that of a long recording's first.
  if (numbers[at(Field::begin)] && !utterance.end_s && utterance.duration_s) utterance.end_s = utterance.begin_s + *utterance.duration_s;
  if (utterance.end_s && *utterance.end_s <= utterance.begin_s) return bad("ends before it begins");
  utterance.file = file_, utterance.line = line;
  corpus_.add(std::move(utterance));
}

}  // namespace thaw
