// SpecAugment's masks (Park et al. 2019) as transformers' _compute_mask_indices lays them: spans at distinct places. Drawn
// from keyed numbers of the row, not from numpy's generator, and rounded by a number a row, not one a batch.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "framework/nn/packed.h"

namespace thaw {

struct SpanMask {
  double share = 0;         // of a row that spans would cover if none overlapped, 0…1
  std::int64_t length = 1;  // of a span
  std::int64_t least = 0;   // spans a row, where they fit
};

// bool [cu_seqlens.back()]: what is masked. site: as Context::row_site gives it, of the rows; none where its p is 0. A row
// that is shorter than a span gets none.
at::Tensor masked_spans(const SpanMask& mask, const std::vector<std::int64_t>& cu_seqlens, const RandomSite& site);

}  // namespace thaw
