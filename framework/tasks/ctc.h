// Connectionist temporal classification (Graves et al., 2006): the loss of label sequences that are shorter than the frames
// they are spoken in, every alignment counted, over packed rows. As torch's ctc_loss computes it, but as sums: the caller
// divides by the sum of weights of the whole step, over ranks and passes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "framework/tasks/targets.h"

namespace thaw {

struct CtcLoss {
  std::int64_t blank = 0;
  // A row with fewer frames than its labels need has an infinite loss, and gradients that are no numbers. Where set, its loss
  // and gradients are zero: config.json's ctc_zero_infinity.
  bool zero_infinity = false;

  // The loss of each row: −log of the sum over all alignments; fp32 [rows], with gradients. No label is the blank.
  // logits: [tokens, vocabulary], any float dtype: frames of all rows, one after another as cu_seqlens says; those past the last row
  // and behind targets.frames are not read. Softmax and loss in fp32.
  at::Tensor by_row(const at::Tensor& logits, const std::vector<std::int64_t>& cu_seqlens, const Targets& targets) const;

  // The sum over rows of weight × loss; a scalar, fp32.
  at::Tensor sum(const at::Tensor& logits, const std::vector<std::int64_t>& cu_seqlens, const Targets& targets) const;
};

// The frames that a row needs at least: one a label, and a blank between equal neighbours.
std::int64_t ctc_frames_needed(std::span<const std::int64_t> ids);

}  // namespace thaw
