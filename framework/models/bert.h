// BERT (Devlin et al. 2018), as transformers' BertForSequenceClassification computes it, on packed rows.
// The pattern for every architecture that follows: read the config, declare the parameters, write the layers.
#pragma once

#include <memory>

#include "framework/models/head.h"
#include "framework/models/model.h"

namespace thaw {

std::unique_ptr<Model> build_bert(const JsonView& config, const HeadSpec& head);

}  // namespace thaw
