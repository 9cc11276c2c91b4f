// WavLM's self-attention (Chen et al. 2021): relative positions in buckets, gated by the query's own token.
#pragma once

#include "framework/models/wav2vec2_layers.h"

namespace thaw {

// The buckets' table is the lowest block's; every block reads it, so `table` is null there alone, and is set.
SelfAttention wavlm_attention(const Declare& declare, const Wav2Vec2Config& config, Parameter*& table);

// Which of `buckets` the distances −(longest − 1) … longest − 1 (key minus query) fall into: int64 [2 · longest − 1]. Half
// the buckets are for each direction; half of those for a distance each, the rest grow up to `most_distance`.
at::Tensor distance_buckets(std::int64_t longest, std::int64_t buckets, std::int64_t most_distance);

}  // namespace thaw
