#pragma once

#include <ATen/ATen.h>

#include <algorithm>

namespace thaw::test {

// The largest difference, as a share of the largest of `theirs`, or of `floor` where that is more.
inline double relative_error(const at::Tensor& ours, const at::Tensor& theirs, double floor = 0) {
  const double scale = std::max(theirs.abs().max().item<double>(), floor);
  return (ours.to(at::kDouble) - theirs).abs().max().item<double>() / scale;
}

}  // namespace thaw::test
