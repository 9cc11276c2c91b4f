// A row of a source file, before it is tokenised.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace thaw {

// What the label column holds. `none`: there is none, as for prediction.
enum class LabelKind { one, several, number, none };
const char* name_of(LabelKind kind);  // "one", "several", "number", "none"

// Speech, in one of the shapes that a shard may hold it in.
struct RowAudio {
  double seconds = 0;
  std::vector<std::int16_t> samples;    // AudioCodec::i16, at 16,000 Hz
  std::string file;                     // AudioCodec::flac
  std::vector<std::uint16_t> features;  // AudioCodec::features, binary16, frame after frame
};

struct Row {
  std::string id;                   // the id column, else the source line as text
  std::uint64_t line = 0;           // where the row begins in its file, from 1
  std::string text;                 // valid UTF-8
  std::optional<std::string> pair;  // the second text
  std::vector<std::string> labels;  // LabelKind::one: exactly one; several: any number
  double target = 0;                // LabelKind::number
  double weight = 1;                // finite, not negative
  std::string group, split, language;
  std::uint64_t source = 0;  // which of the sources it stands in
  RowAudio audio;
};

}  // namespace thaw
