// TSV and CSV with a column for the audio's path, and Common Voice's TSV (commonvoice.mozilla.org), which is such a table beside a
// folder of clips.
#include <algorithm>

#include "datasets/shards/records.h"
#include "datasets/shards/source_format.h"
#include "datasets/speech/manifest.h"
#include "datasets/tokenizers/utf8.h"

namespace thaw {
namespace {

using Cells = std::vector<std::string_view>;

bool is_csv(const fs::path& path) { return path.extension() == ".csv" || path.extension() == ".CSV"; }

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 4 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class Table {
 public:
  Table(const fs::path& path, char delimiter, bool quotes)
      : source_(path), whole_(text_of(source_)), records_(path.string(), whole_, delimiter, quotes) {}

  bool next(Cells& cells) { return records_.next(cells); }
  std::uint64_t line() const { return records_.line(); }
  std::uint64_t repaired() const { return repaired_; }  // lines

 private:
  std::string_view text_of(const SourceText& source) {
    refuse_other_encodings(source);
    repaired_ = lines_to_repair(source.text());
    if (repaired_ == 0) return source.text();
    owned_ = repair_utf8(source.text());
    return owned_;
  }

  std::uint64_t repaired_ = 0;
  std::string owned_;
  SourceText source_;
  std::string_view whole_;
  Records records_;
};

// "0", "1" … up to the highest number that a column has.
std::vector<std::string> numbers_of(const std::map<std::string, std::string>& columns) {
  std::size_t highest = 0;
  for (const auto& [use, number] : columns) highest = std::max<std::size_t>(highest, std::stoul(number));
  std::vector<std::string> names;
  for (std::size_t i = 0; i <= highest; ++i) names.push_back(std::to_string(i));
  return names;
}

// How many cells a row has. A header says it; without one each row needs those that are numbered, and has no more than the first good
// one, but for empty ones at its end.
class Width {
 public:
  Width(std::size_t named, bool numbered) : named_(named), numbered_(numbered) {}

  bool fits(const Cells& cells) {
    if (!numbered_) return cells.size() == named_;
    if (cells.size() < named_) return false;
    if (most_ == 0) most_ = cells.size();
    std::size_t filled = cells.size();
    while (filled > 0 && cells[filled - 1].empty()) --filled;
    return filled <= most_;
  }
  std::size_t expected() const { return most_ == 0 ? named_ : most_; }

 private:
  std::size_t named_, most_ = 0;
  bool numbered_;
};

// `change` sees each row's fields before they become an utterance.
void read_rows(Table& table, const fs::path& path, std::uint32_t file, const fs::path& root, CorpusBuilder& corpus,
               const std::function<void(FieldValues&)>& change) {
  Manifest manifest(corpus, file, root);
  corpus.count_repaired(table.repaired());
  const auto& columns = corpus.options().columns;
  const bool numbered =
      !columns.empty() && std::all_of(columns.begin(), columns.end(), [](const auto& one) { return is_number(one.second); });
  Cells cells;
  if (!table.next(cells)) throw DataError("{}: expected rows, found none: the file is empty", path.string());
  const std::vector<std::string> names = numbered ? numbers_of(columns) : std::vector<std::string>(cells.begin(), cells.end());
  const std::string where = fmt::format("{}:{}", path.string(), table.line());
  std::array<int, fields> places{};
  for (std::size_t f = 0; f < fields; ++f) places[f] = manifest.find(static_cast<Field>(f), names, where);
  for (const Field field : manifest.needed())
    if (places[static_cast<std::size_t>(field)] < 0) manifest.lacks(field, "column", names, where);
  if (!numbered && !table.next(cells)) throw DataError("{}: expected rows, found a header alone", path.string());
  Width width(names.size(), numbered);
  do {
    if (!width.fits(cells)) {
      corpus.bad_row(file, table.line(), fmt::format("expected {} columns, found {}", width.expected(), cells.size()));
      continue;
    }
    FieldValues values;
    for (std::size_t f = 0; f < fields; ++f)
      if (places[f] >= 0) values[f] = std::string(cells[static_cast<std::size_t>(places[f])]);
    change(values);
    manifest.add(values, table.line());
  } while (table.next(cells));
}

// The clips that any table beside `folder`'s clips speaks of: train, dev and test are parts of the whole.
std::unordered_set<std::string> clips_spoken_of(const fs::path& folder) {
  std::unordered_set<std::string> spoken;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".tsv") continue;
    Table table(entry.path(), '\t', false);
    Cells cells;
    if (!table.next(cells)) continue;
    const auto column = std::find(cells.begin(), cells.end(), "path") - cells.begin();
    while (table.next(cells))
      if (static_cast<std::size_t>(column) < cells.size())
        spoken.emplace(fs::path(cells[static_cast<std::size_t>(column)]).stem().string());
  }
  return spoken;
}

// clip_durations.tsv: a clip's name and its milliseconds.
std::unordered_map<std::string, std::string> durations_of(const fs::path& folder) {
  std::unordered_map<std::string, std::string> seconds;
  const fs::path path = folder / "clip_durations.tsv";
  if (!fs::exists(path)) return seconds;
  Table table(path, '\t', false);
  for (Cells cells; table.next(cells);)
    if (const auto ms = cells.size() == 2 ? seconds_of(cells[1]) : std::nullopt)
      seconds[std::string(cells[0])] = fmt::format("{}", *ms / 1000);
  return seconds;
}

// Some releases quote sentences as CSV does; others hold quotes of their own, single and unbalanced, which stay.
std::string without_csv_quotes(const std::string& sentence) {
  if (sentence.size() < 2 || sentence.front() != '"' || sentence.back() != '"') return sentence;
  const std::string_view inner = std::string_view(sentence).substr(1, sentence.size() - 2);
  std::string text;
  for (std::size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] == '"' && (++i == inner.size() || inner[i] != '"')) return sentence;
    text += inner[i];
  }
  return text.size() == inner.size() ? sentence : text;
}

}  // namespace

void read_table(const fs::path& path, CorpusBuilder& corpus) {
  const char given = corpus.options().delimiter;
  Table table(path, given != 0 ? given : is_csv(path) ? ',' : '\t', is_csv(path));
  read_rows(table, path, corpus.add_file(path), root_of(path, corpus.options()), corpus, [](FieldValues&) {});
}

void read_common_voice(const fs::path& path, CorpusBuilder& corpus) {
  std::vector<fs::path> tables{path};
  const fs::path folder = fs::is_directory(path) ? path : path.parent_path();
  if (fs::is_directory(path)) {
    tables.clear();
    for (const char* part : {"train.tsv", "dev.tsv", "test.tsv"})
      if (fs::exists(path / part)) tables.push_back(path / part);
    if (tables.empty()) throw DataError("{}: expected train.tsv, dev.tsv or test.tsv in it, or a TSV file's name", path.string());
  }
  const auto durations = durations_of(folder);
  for (const fs::path& file : tables) {
    Table table(file, '\t', false);
    read_rows(table, file, corpus.add_file(file),
              corpus.options().audio_root.empty() ? folder / "clips" : fs::path(corpus.options().audio_root), corpus,
              [&](FieldValues& values) {
                const auto at = [&](Field field) -> auto& { return values[static_cast<std::size_t>(field)]; };
                std::string& clip = *at(Field::audio);
                if (!clip.empty() && fs::path(clip).extension().empty()) clip += ".mp3";  // as early releases wrote it
                if (!at(Field::id)) at(Field::id) = fs::path(clip).stem().string();
                if (at(Field::text)) at(Field::text) = without_csv_quotes(*at(Field::text));
                if (const auto found = durations.find(clip); found != durations.end()) at(Field::duration) = found->second;
                if (fs::is_directory(path)) at(Field::split) = file.stem().string();
              });
  }
  AudioFiles clips(folder / "clips");
  for (const std::string& clip : clips_spoken_of(folder)) clips.take(clip);
  clips.report_rest(corpus);
}

}  // namespace thaw
