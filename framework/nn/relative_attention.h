// Attention with a bias by distance that each query's gate scales, as WavLM has it (Chen et al. 2021). Composed of ATen's
// operations for each row, with nothing kept of [length, length] for backward, which computes it anew.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "framework/nn/packed.h"

namespace thaw {

// softmax(q·kᵀ·scale + gate[i] · by_distance[j − i + longest − 1])·v inside each row, all heads, softmax in fp32.
// q, k, v: [tokens, heads, head_dim] of one dtype; gate: fp32 [tokens, heads]; by_distance: fp32 [heads, 2 · longest − 1]
// → q's shape; tokens past the last row get zeros. site drops probabilities, by the query's number within the step.
at::Tensor relative_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& gate,
                              const at::Tensor& by_distance, const std::vector<std::int64_t>& cu_seqlens, double scale,
                              const RandomSite& site);

}  // namespace thaw
