#include "launcher/recordings.h"

#include "datasets/speech/readers.h"
#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {

std::vector<fs::path> recordings_of(const std::vector<std::string>& names) {
  std::vector<fs::path> files;
  for (const std::string& name : names) {
    if (!fs::exists(name)) throw FileError(ExitCode::input_missing, "{}: no such file or folder", name);
    if (!fs::is_directory(name)) {
      files.emplace_back(name);
      continue;
    }
    const std::vector<fs::path> below = audio_below(name);
    if (below.empty())
      throw FileError(ExitCode::input_missing, "{}: expected recordings (.wav, .flac, .ogg, .mp3 …) in the folder, found none", name);
    files.insert(files.end(), below.begin(), below.end());
  }
  return files;
}

}  // namespace thaw
