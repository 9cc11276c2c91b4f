// BERT (Devlin et al. 2018), as transformers' BertForSequenceClassification computes it, on packed rows.
// The pattern for every architecture that follows: read the config, declare the parameters, write the layers.
#pragma once

#include <memory>

#include "framework/models/model.h"

namespace thaw {

struct HeadSpec {
  std::int64_t outputs = 2;  // classes, labels or 1
  double dropout = -1;       // overrides the config's hidden and attention dropout; < 0: as the config says
};

std::unique_ptr<Model> build_bert(const JsonView& config, const HeadSpec& head);

}  // namespace thaw
