// BERT (Devlin et al. 2018), as transformers' BertForSequenceClassification computes it, on packed rows.
// The pattern for every architecture that follows: read the config, declare the parameters, write the layers.
#pragma once

#include <memory>

#include "framework/models/model.h"

namespace thaw {

enum class HeadKind { classification, language };  // classes of a row, or the next token

struct HeadSpec {
  std::int64_t outputs = 2;  // classes, labels or 1
  double dropout = -1;       // overrides the config's hidden and attention dropout; < 0: as the config says
  HeadKind kind = HeadKind::classification;
  bool short_rows = false;  // of audio, where the architecture pads it to windows otherwise (whisper.h)
};

std::unique_ptr<Model> build_bert(const JsonView& config, const HeadSpec& head);

}  // namespace thaw
