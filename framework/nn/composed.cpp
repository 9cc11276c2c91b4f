#include "framework/nn/composed.h"

#include <cmath>

#include "framework/base/random.h"

namespace thaw::composed {
namespace {

// Lane `element` of the counters from `counter` on: dropped or kept, scaled.
float factor(const RandomSite& site, std::uint64_t counter, std::int64_t element) {
  const auto threshold = static_cast<std::uint32_t>(std::lround(site.p * 65536));
  const auto words = philox(site.key, counter + static_cast<std::uint64_t>(element / 8));
  const auto lane = static_cast<std::size_t>(element % 8);
  const std::uint32_t draw = (words[lane / 2] >> (16 * (lane % 2))) & 0xFFFFu;
  return draw < threshold ? 0.0F : 65536.0F / static_cast<float>(65536 - threshold);
}

}  // namespace

at::Tensor mask(const RandomSite& site, std::int64_t tokens, std::int64_t width) {
  at::Tensor result = at::empty({tokens, width});
  float* const out = result.data_ptr<float>();
  for (std::int64_t t = 0; t < tokens; ++t)
    for (std::int64_t j = 0; j < width; ++j)
      out[t * width + j] = factor(site, static_cast<std::uint64_t>((site.first_token + t) * ((width + 7) / 8)), j);
  return result;
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps) {
  const at::ScalarType wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return at::layer_norm(x.to(wide), {x.size(1)}, gamma.to(wide), beta.to(wide), eps).to(x.scalar_type());
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionRows& rows, double scale,
                     const RandomSite& site) {
  const at::ScalarType wide = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const std::int64_t heads = q.size(1);
  std::vector<at::Tensor> out;
  for (std::size_t row = 0; row + 1 < rows.keys.size(); ++row) {
    const std::int64_t key = rows.keys[row], length = rows.keys[row + 1] - key;
    const std::int64_t query = rows.queries[row], queries = rows.queries[row + 1] - query;
    const auto part = [&](const at::Tensor& x, std::int64_t from, std::int64_t count) {  // [heads, count, dim]
      return x.narrow(0, from, count).to(wide).transpose(0, 1);
    };
    at::Tensor scores = at::matmul(part(q, query, queries), part(k, key, length).transpose(1, 2)) * scale;
    if (rows.causal) scores = scores + at::full({queries, length}, -INFINITY, scores.options()).triu(1);
    at::Tensor probabilities = at::softmax(scores, -1);
    if (site.p > 0) {
      const std::int64_t first = site.first_token + (rows.first_tokens ? key : query);
      at::Tensor keep = at::empty({heads, queries, length});
      float* factors = keep.data_ptr<float>();
      for (std::int64_t h = 0; h < heads; ++h)
        for (std::int64_t i = 0; i < queries; ++i)
          for (std::int64_t j = 0; j < length; ++j)
            *factors++ = factor(site, static_cast<std::uint64_t>((first + i) * heads + h) * 8192u, j);
      probabilities = probabilities * keep.to(q.device(), wide);
    }
    out.push_back(at::matmul(probabilities, part(v, key, length)).transpose(0, 1).to(q.scalar_type()));
  }
  const std::int64_t padding = q.size(0) - rows.queries.back();
  if (padding > 0) out.push_back(at::zeros({padding, heads, q.size(2)}, q.options()));
  return at::cat(out);
}

}  // namespace thaw::composed
