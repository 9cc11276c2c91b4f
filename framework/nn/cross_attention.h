// Attention of a decoder's few tokens to an encoder's many frames (cross-attention), with the maps of the frames to keys and values.
#pragma once

#include "framework/nn/ops.h"

namespace thaw {

struct KeysAndValues {  // weights: [width, width], bias: [width]; keys have none
  at::Tensor key_weight, value_weight, value_bias;
};

// attention(q, memory · key_weightᵀ, memory · value_weightᵀ + value_bias, rows, scale, site) of `heads` heads.
// q: [tokens, width], memory: [frames, width], of one dtype → q's shape; tokens past the last row get finite values.
//
// q·(m·Kᵀ)ᵀ = (q·K)·mᵀ and p·(m·Vᵀ) = (p·m)·Vᵀ: a row of fewer tokens than a head has dimensions takes fewer products where tokens are
// mapped instead of frames, and needs no memory for keys, values and their gradients. Such rows are computed so on a CPU in fp32 without
// dropout; whether a row is depends on itself alone.
at::Tensor cross_attention(const at::Tensor& q, const at::Tensor& memory, const KeysAndValues& maps, const AttentionRows& rows,
                           std::int64_t heads, double scale, const RandomSite& site);

}  // namespace thaw
