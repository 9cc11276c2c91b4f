// How fast one core decodes and computes Whisper's features: what recipes/benchmarks/features.sh measures of us.
//   audio_speed FOLDER WINDOWS: FOLDER's recordings; windows of 30 s out of them, for the peer as well, are written to WINDOWS (fp32)
// Prints one JSON object: seconds of audio a second, of whole windows and of the recordings from their encoded bytes.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "datasets/audio/audio.h"
#include "datasets/audio/log_mel.h"
#include "framework/base/file.h"

namespace {

using namespace thaw;
using namespace thaw::audio;

constexpr std::size_t window_samples = 480000, windows = 20;

double seconds_of(const auto& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

int measure(const fs::path& folder, const fs::path& out) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> encoded;
  std::vector<float> joined;
  double recorded_s = 0;
  for (const fs::path& path : paths) {
    if (joined.size() >= windows * window_samples) break;
    encoded.push_back(read_file(path));
    const Audio audio = read_audio(path);
    recorded_s += audio.seconds();
    joined.insert(joined.end(), audio.samples.begin(), audio.samples.end());
  }
  joined.resize(joined.size() / window_samples * window_samples);
  if (joined.empty()) throw DataError("{}: expected recordings of 30 s in all, found {:.0f} s", folder.string(), recorded_s);
  write_file_atomically(out, {reinterpret_cast<const char*>(joined.data()), joined.size() * sizeof(float)});

  const LogMel log_mel;
  float kept = 0;  // so that nothing is optimised away
  const auto of_windows = [&] {
    for (std::size_t at = 0; at < joined.size(); at += window_samples)
      kept += log_mel(std::span(joined).subspan(at, window_samples)).values[0];
  };
  const auto of_encoded = [&] {
    for (const std::string& bytes : encoded) kept += log_mel(read_audio({"recording", std::as_bytes(std::span(bytes))}).samples).values[0];
  };
  of_windows();
  const double windows_s = seconds_of(of_windows), encoded_s = seconds_of(of_encoded);
  fmt::print("{{\"features\": {:.1f}, \"from_file\": {:.1f}, \"kernel\": \"{}\", \"kept\": {}}}\n",
             static_cast<double>(joined.size()) / 16000 / windows_s, recorded_s / encoded_s, spectrum_kernel().name, kept);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count != 3) throw UsageError("usage: audio_speed FOLDER WINDOWS");
    return measure(arguments[1], arguments[2]);
  } catch (const std::exception& exception) {
    const Error error = as_error(exception);
    fmt::print(stderr, "audio_speed: {}\n", error.what());
    return static_cast<int>(error.code());
  }
}
