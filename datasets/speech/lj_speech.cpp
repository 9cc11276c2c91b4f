// LJ Speech (Ito, 2017): metadata.csv of "id|text as written|text as read", without header and without quotes, beside wavs/.
#include "datasets/speech/readers.h"

namespace thaw {

void read_lj_speech(const fs::path& path, CorpusBuilder& corpus) {
  const fs::path metadata = fs::is_directory(path) ? path / "metadata.csv" : path, folder = metadata.parent_path();
  fs::path wavs = folder / "wavs";
  for (const char* name : {"wavs", "wav", "flac"})
    if (fs::is_directory(folder / name)) {
      wavs = folder / name;
      break;
    }
  const auto& columns = corpus.options().columns;
  const auto wanted = columns.find("text");
  const bool raw = wanted != columns.end() && wanted->second == "raw";
  AudioFiles audio(wavs);
  Lines lines(metadata, corpus);
  for (std::string line; lines.next(line);) {
    const std::vector<std::string> cells = split(line, '|');
    if (cells.size() < 2 || cells.size() > 3) {
      corpus.bad_row(lines.file(), lines.number(), fmt::format("expected id|raw|normalised, found {} cells", cells.size()));
      continue;
    }
    Utterance utterance;
    utterance.id = trim(cells[0]);
    utterance.text = trim(raw || cells.size() == 2 ? cells[1] : cells[2]);
    utterance.audio = audio.take(utterance.id);
    if (utterance.audio.empty()) utterance.audio = (wavs / (utterance.id + ".wav")).string();
    utterance.file = lines.file(), utterance.line = lines.number();
    corpus.add(std::move(utterance));
  }
  audio.report_rest(corpus);
}

}  // namespace thaw
