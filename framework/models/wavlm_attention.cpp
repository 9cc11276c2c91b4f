#include "framework/models/wavlm_attention.h"

#include <cmath>

#include "framework/nn/relative_attention.h"

namespace thaw {

at::Tensor distance_buckets(std::int64_t longest, std::int64_t buckets, std::int64_t most_distance) {
  const std::int64_t one_way = buckets / 2, exact = one_way / 2;
  const at::Tensor distances = at::arange(1 - longest, longest, at::kLong), far = distances.abs();
  // As the reference rounds: in fp32.
  const at::Tensor growth = at::log(far.to(at::kFloat) / exact) / std::log(static_cast<double>(most_distance) / static_cast<double>(exact));
  const at::Tensor grown = (growth * (one_way - exact) + exact).to(at::kLong).clamp_max(one_way - 1);
  return at::where(far < exact, far, grown) + (distances > 0).to(at::kLong) * one_way;
}

SelfAttention wavlm_attention(const Declare& declare, const Wav2Vec2Config& c, Parameter*& table) {
  constexpr std::int64_t gates = 2, summed = 4;  // the gates' linear layer has four outputs for each, which are added
  const std::int64_t dim = c.width / c.heads;
  Declare fp32 = declare;
  fp32.keep_fp32 = true;
  const Parameter& constant = fp32.add("attention.gru_rel_pos_const", {1, c.heads, 1, 1}, Role::matrix);
  const Projections projections = declare_projections(declare, c);
  const Linear gate_layer = fp32.linear("attention.gru_rel_pos_linear", dim, gates * summed);
  if (table == nullptr) table = &fp32.add("attention.rel_attn_embed.weight", {c.buckets, c.heads}, Role::matrix);
  else table->uses.push_back(declare.group);
  const Parameter& biases = *table;
  const double scale = 1.0 / std::sqrt(static_cast<double>(dim));
  return [=, &constant, &biases, group = declare.group](const at::Tensor& x, const Packed& in, const Context& context) {
    const auto by_head = [&](const at::Tensor& t) { return t.view({t.size(0), c.heads, dim}); };
    const at::Tensor weight = gate_layer.weight->working.view({gates, summed, dim}).sum(1),
                     bias = gate_layer.bias->working.view({gates, summed}).sum(1);
    const at::Tensor both = at::sigmoid(linear(x.to(at::kFloat).view({-1, dim}), weight, bias)).view({-1, c.heads, gates});
    const at::Tensor gate = both.select(2, 0) * (both.select(2, 1) * constant.working.view({c.heads}) - 1) + 2;
    const at::Tensor buckets = distance_buckets(in.max_length, c.buckets, c.bucket_distance).to(x.device());
    const at::Tensor by_distance = biases.working.index_select(0, buckets).t();
    const at::Tensor mixed = relative_attention(by_head(projections.query(x)), by_head(projections.key(x)), by_head(projections.value(x)),
                                                gate, by_distance, in.cu_seqlens, scale, context.site(c.attention_dropout, group, 0));
    return projections.out(mixed.view({-1, c.width}));
  };
}

}  // namespace thaw
