// Folders of classes, CLASS/file.wav, as in Speech Commands (Warden, 2018), and folders whose names say more by a pattern.
// Speech Commands' lists testing_list.txt and validation_list.txt make splits; SPEAKER_nohash_N is its way to name a speaker.
#include <algorithm>

#include "datasets/speech/name_pattern.h"
#include "datasets/speech/readers.h"
#include "datasets/tokenizers/utf8.h"

namespace thaw {
namespace {

constexpr std::string_view nohash = "_nohash_";

// The split of each path that Speech Commands' lists name.
std::unordered_map<std::string, std::string> listed_splits(const fs::path& folder, CorpusBuilder& corpus) {
  std::unordered_map<std::string, std::string> splits;
  for (const auto& [list, split] : {std::pair("validation_list.txt", "dev"), {"testing_list.txt", "test"}}) {
    if (!fs::exists(folder / list)) continue;
    Lines lines(folder / list, corpus);
    for (std::string line; lines.next(line);) splits[std::string(trim(line))] = split;
  }
  return splits;
}

void take(const std::vector<NamePattern::Part>& parts, Utterance& utterance) {
  for (const auto& [name, value] : parts) {
    if (name == "label") utterance.label = value;
    else if (name == "speaker") utterance.speaker = value;
    else if (name == "language") utterance.language = value;
    else if (name == "group") utterance.group = value;
    else if (name == "split") utterance.split = value;
    else if (name == "text") utterance.text = value;
    else if (name == "id") utterance.id = value;
  }
}

}  // namespace

void read_folders(const fs::path& path, CorpusBuilder& corpus) {
  if (!fs::is_directory(path)) throw DataError("{}: expected a folder of audio files or of folders, found a file", path.string());
  std::optional<NamePattern> pattern;
  if (!corpus.options().pattern.empty()) pattern.emplace(corpus.options().pattern);
  const auto splits = listed_splits(path, corpus);
  std::vector<std::string> set_aside;
  std::vector<fs::path> files = audio_below(path);
  std::stable_partition(files.begin(), files.end(), is_decoded);  // of two with one name, the first has it
  for (const fs::path& file : files) {
    const fs::path relative = file.lexically_relative(path);
    // Names of files may be any bytes; those of rows are UTF-8.
    const std::string stem = repair_utf8(relative.stem().string()), folders = repair_utf8(relative.parent_path().string()),
                      whole = folders.empty() ? stem : folders + "/" + stem;
    Utterance utterance;
    utterance.audio = file.string();
    utterance.id = whole;
    if (pattern) {
      const auto parts = pattern->match(pattern->has_folders() ? whole : stem);
      if (!parts) {
        corpus.leave_out(Fault::bad_row, file.string(), whole, fmt::format("the name does not fit {}", pattern->text()));
        continue;
      }
      take(*parts, utterance);
    } else {
      utterance.label = folders.substr(0, folders.find('/'));
      if (utterance.label.starts_with('_') || utterance.label.starts_with('.')) {  // as Speech Commands' _background_noise_: no class
        if (std::find(set_aside.begin(), set_aside.end(), utterance.label) == set_aside.end()) set_aside.push_back(utterance.label);
        continue;
      }
      if (utterance.label.empty()) {
        corpus.leave_out(Fault::bad_row, file.string(), whole, "lies in no folder that names its class");
        continue;
      }
      if (const std::size_t at = stem.find(nohash); at != std::string::npos) utterance.speaker = stem.substr(0, at);
    }
    if (!splits.empty() && utterance.split.empty()) {
      const auto found = splits.find(relative.string());
      utterance.split = found == splits.end() ? "train" : found->second;
    }
    corpus.add(std::move(utterance));
  }
  if (!set_aside.empty())
    corpus.note(fmt::format("{}: left aside: {} (a name that begins with '_' or '.' is no class)", path.string(), listed(set_aside)));
}

}  // namespace thaw
