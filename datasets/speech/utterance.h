// What a corpus says of one stretch of speech: where it is to be heard, what is said, by whom. A value; nothing is opened.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "framework/base/file.h"

namespace thaw {

struct Utterance {
  std::string id;                    // unique in its corpus
  std::string audio;                 // a file's path; or, where `pipe`, the shell command whose output is the file
  bool pipe = false;                 // Kaldi's "command |"
  double begin_s = 0;                // of the segment
  std::optional<double> end_s;       // none: to the end of the file
  std::optional<double> duration_s;  // of the stretch, as the corpus says; audio that differs is bad input
  std::string text;                  // UTF-8, as it stands there; empty where only the label counts
  std::string speaker, language, group, label, split;
  double weight = 1;
  std::uint32_t file = 0;  // Corpus::files, where it is written
  std::uint64_t line = 0;  // of that file, from 1; 0 where the corpus is folders alone

  bool is_segment() const { return begin_s > 0 || end_s; }
};

}  // namespace thaw
