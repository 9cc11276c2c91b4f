// Real recordings, and others that are made here; judges in Python that read raw numbers from a folder.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sndfile.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "datasets/audio/audio.h"
#include "datasets/audio/noise.h"
#include "framework/base/file.h"
#include "tests/support/reference.h"

namespace thaw::audio {

inline fs::path data_folder() {
  const char* const given = std::getenv("THAW_TEST_DATA");
  return given != nullptr ? given : THAW_SOURCE_DIR "/../shared/data";
}

// Up to `most` recordings of a folder, evenly spread over its sorted names, at any depth; none where it is not there.
inline std::vector<fs::path> recordings(const fs::path& folder, std::size_t most) {
  std::vector<fs::path> all, some;
  if (fs::exists(folder)) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".wav" || extension == ".flac") all.push_back(entry.path());
    }
  }
  std::sort(all.begin(), all.end());
  const std::size_t count = std::min(most, all.size());
  for (std::size_t i = 0; i < count; ++i) some.push_back(all[i * all.size() / count]);
  return some;
}

// Of four corpora: 22.05 kHz FLAC, 8 and 16 kHz WAV.
inline std::vector<fs::path> real_recordings(std::size_t of_each) {
  std::vector<fs::path> all;
  for (const fs::path& folder : {data_folder() / "ljspeech_340", data_folder() / "fsdd", data_folder() / "speech_commands_sample",
                                 fs::path("/usr/share/pocketsphinx/test/data")}) {
    for (const fs::path& path : recordings(folder, of_each)) all.push_back(path);
  }
  return all;
}

inline AudioBytes bytes_of(const std::string& encoded, std::string_view name = "memory") {
  return {name, std::as_bytes(std::span(encoded))};
}

inline std::vector<float> white_noise(std::size_t count, double level, std::uint64_t key = 1) {
  std::vector<float> samples(count);
  add_white_noise(samples, level, key);
  return samples;
}

inline std::vector<float> sine(std::size_t count, double hz, double rate, double level = 0.5) {
  std::vector<float> samples;
  for (std::size_t i = 0; i < count; ++i)
    samples.push_back(static_cast<float>(level * std::sin(2 * 3.14159265358979323846 * hz * static_cast<double>(i) / rate)));
  return samples;
}

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("thaw-audio-{}-{}", ::getpid(), count()++)) { fs::create_directories(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

  fs::path write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }
  fs::path write(const std::string& name, std::span<const float> numbers) const {
    return write(name, std::string_view(reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()));
  }

  // What tests/datasets/audio/judge.py makes of the files that were written here; null where it failed.
  Json judged(const std::string& what) const {
    const std::string command = fmt::format("PYTHONDONTWRITEBYTECODE=1 '{}' '{}/tests/datasets/audio/judge.py' {} '{}'",
                                            test::python().value(), THAW_SOURCE_DIR, what, path_.string());
    if (std::system(command.c_str()) != 0) {
      ADD_FAILURE() << "the judge failed: " << command;
      return {};
    }
    return JsonFile(path_ / "verdict.json").raw();
  }

 private:
  static int& count() {
    static int made = 0;
    return made;
  }
  fs::path path_;
};

// A file of any of libsndfile's formats, interleaved; `quality` is lossy codecs' own from 0 to 1.
inline fs::path write_sound(const fs::path& path, int format, int rate, int channels, std::span<const float> interleaved) {
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = channels;
  info.format = format;
  SNDFILE* const file = sf_open(path.c_str(), SFM_WRITE, &info);
  if (file == nullptr) throw std::runtime_error(sf_strerror(nullptr));
  const auto frames = static_cast<sf_count_t>(interleaved.size()) / channels;
  for (sf_count_t at = 0; at < frames; at += 4096)  // libsndfile 1.2's Vorbis encoder overflows the stack on more
    sf_writef_float(file, interleaved.data() + at * channels, std::min<sf_count_t>(4096, frames - at));
  sf_close(file);
  return path;
}

inline double rms(std::span<const float> samples) {
  double sum = 0;
  for (const float sample : samples) sum += static_cast<double>(sample) * static_cast<double>(sample);
  return std::sqrt(sum / static_cast<double>(samples.size()));
}

inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

}  // namespace thaw::audio
