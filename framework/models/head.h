// What a model is asked to end in.
#pragma once

#include <cstdint>

namespace thaw {

// classification: classes of a row; ctc: symbols of a frame, the blank among them; language: the next token.
enum class Head { classification, ctc, language };

struct HeadSpec {
  std::int64_t outputs = 2;  // classes, labels or 1; of ctc and language the vocabulary's size
  double dropout = -1;       // overrides the config's hidden and attention dropout; < 0: as the config says
  Head kind = Head::classification;
  bool short_rows = false;  // of audio, where the architecture pads it to windows otherwise (whisper.h)
};

}  // namespace thaw
