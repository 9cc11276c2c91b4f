// LibriSpeech (Panayotov et al., ICASSP 2015): SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt, a line "ID TEXT" for each ID.flac beside it.
#include <algorithm>

#include "datasets/speech/readers.h"

namespace thaw {
namespace {

constexpr std::string_view transcripts_ending = ".trans.txt";

bool is_transcript(const fs::path& path) { return path.filename().string().ends_with(transcripts_ending); }

std::vector<fs::path> transcripts_below(const fs::path& directory) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (is_transcript(entry.path())) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

bool has_transcripts(const fs::path& directory) {
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (is_transcript(entry.path())) return true;
  return false;
}

void read_librispeech(const fs::path& path, CorpusBuilder& corpus) {
  const bool one = fs::is_regular_file(path);
  AudioFiles audio(one ? path.parent_path() : path, one ? AudioFiles::Depth::one : AudioFiles::Depth::all);
  for (const fs::path& transcript : one ? std::vector{path} : transcripts_below(path)) {
    Lines lines(transcript, corpus);
    const std::string name = transcript.filename().string(), speaker = name.substr(0, name.find_first_of("-."));
    for (std::string line; lines.next(line);) {
      Utterance utterance;
      std::tie(utterance.id, utterance.text) = first_word(line);
      utterance.audio = audio.take(utterance.id);
      if (utterance.audio.empty()) utterance.audio = (transcript.parent_path() / (utterance.id + ".flac")).string();
      utterance.speaker = speaker;
      utterance.file = lines.file(), utterance.line = lines.number();
      corpus.add(std::move(utterance));
    }
  }
  audio.report_rest(corpus);
}

}  // namespace thaw
