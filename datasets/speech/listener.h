// From an utterance to its samples, or to what is wrong with them. One thread; the last file stays mapped, since the segments of
// one recording come one after another.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "datasets/audio/audio.h"
#include "datasets/speech/corpus.h"

namespace thaw {

struct SpeechLimits {
  double min_s = 0, max_s = 0;        // of what is kept; 0: no limit
  double silence_dbfs = -60;          // the peak that audio must reach
  double clipped_share = 0.01;        // of samples that may stand at full scale
  double duration_tolerance_s = 0.1;  // between what a corpus says and what is heard, and
  double duration_tolerance = 0.02;   // of what it says, beside that
};

class Listener {
 public:
  explicit Listener(SpeechLimits limits) : limits_(limits) {}

  struct Heard {
    std::optional<Fault> fault;
    std::string detail;      // of the fault
    audio::Audio audio;      // at 16,000 Hz, mono; whole where there is no fault
    std::string_view bytes;  // of the file, until the next call
    bool whole = true;       // the audio is all of the file
  };
  Heard hear(const Utterance& utterance);

 private:
  void open(const Utterance& utterance);
  bool is_whole(const Utterance& utterance) const;
  void judge(const Utterance& utterance, Heard& heard) const;

  SpeechLimits limits_;
  std::string open_;  // what the bytes are of
  std::unique_ptr<MappedFile> mapped_;
  std::string output_;  // of a command
  std::string_view bytes_;
};

}  // namespace thaw
