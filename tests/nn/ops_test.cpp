// Every operation's value and gradients against ATen's in double precision; masks, threads and neighbours.
#include "framework/nn/ops.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>

#include "framework/nn/composed.h"
#include "framework/nn/cpu/kernels.h"
#include "framework/nn/cross_attention.h"
#include "framework/nn/parallel.h"

namespace thaw {
namespace {

// Two parts that wait for each other: on one thread they never meet.
TEST(Parallel, ThreadsShareTheWork) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer knows nothing of OpenMP's threads, and the build has none";
#endif
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  std::atomic<int> here = 0;
  std::atomic<bool> met = true;
  parallel_for(0, 2, 1, [&](std::int64_t, std::int64_t) {
    ++here;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (here < 2 && met) met = std::chrono::steady_clock::now() < until;
  });
  at::set_num_threads(threads);
  EXPECT_TRUE(met);
}

using Tensors = std::vector<at::Tensor>;
using Operation = std::function<at::Tensor(const Tensors&)>;

struct Result {
  at::Tensor value;
  Tensors gradients;
};

// Runs forward and backward with a fixed, uneven gradient of the result, of `type`'s precision.
Result run(const Operation& operation, const Tensors& inputs, at::ScalarType type = at::kFloat) {
  Tensors leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.detach().clone().set_requires_grad(true));
  const at::Tensor value = operation(leaves);
  at::Tensor seed = at::sin(at::arange(value.numel(), at::kDouble) * 0.7).view(value.sizes()).to(type).to(value.scalar_type());
  torch::autograd::backward({value}, {seed});
  Result result{value.detach(), {}};
  for (const at::Tensor& leaf : leaves) result.gradients.push_back(leaf.grad().is_sparse() ? leaf.grad().to_dense() : leaf.grad());
  return result;
}

double error(const at::Tensor& ours, const at::Tensor& exact) {
  const double scale = std::max(exact.abs().max().item<double>(), 1e-3);
  return (ours.to(at::kDouble) - exact).abs().max().item<double>() / scale;
}

// `ours` on inputs of `type`, against `theirs` on the same values in double.
void agree(const Operation& ours, const Operation& theirs, const Tensors& inputs, const std::vector<bool>& low, at::ScalarType type,
           double tolerance) {
  Tensors given, exact;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    given.push_back(low[i] ? inputs[i].to(type) : inputs[i].to(at::kFloat));
    exact.push_back(given.back().to(at::kDouble));
  }
  const Result a = run(ours, given, type), b = run(theirs, exact, type);
  EXPECT_LE(error(a.value, b.value), tolerance) << "value";
  for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_LE(error(a.gradients[i], b.gradients[i]), tolerance) << "gradient " << i;
  // and the same bits with another number of threads
  at::set_num_threads(2);
  const Result c = run(ours, given, type);
  at::set_num_threads(1);
  EXPECT_TRUE(at::equal(a.value, c.value));
  for (std::size_t i = 0; i < inputs.size(); ++i)
    EXPECT_TRUE(at::equal(a.gradients[i], c.gradients[i])) << "gradient " << i << " depends on threads";
}

struct Case {
  at::ScalarType type;
  double tolerance;
};
class Ops : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    at::manual_seed(11);
  }
  at::ScalarType type = GetParam().type;
  double tolerance = GetParam().tolerance;
};
// bf16 keeps 8 bits: half a unit in the last place is 0.002; a few roundings stand between input and result.
INSTANTIATE_TEST_SUITE_P(Precision, Ops, ::testing::Values(Case{at::kFloat, 1e-5}, Case{at::kBFloat16, 0.02}),
                         [](const auto& tested) { return tested.param.type == at::kFloat ? "fp32" : "bf16"; });

TEST_P(Ops, Linear) {
  for (const auto& [tokens, in, out] : std::vector<std::array<std::int64_t, 3>>{{1, 1, 1}, {3, 8, 5}, {70, 33, 20}, {200, 384, 96}})
    agree([](const Tensors& t) { return linear(t[0], t[1], t[2]); }, [](const Tensors& t) { return at::linear(t[0], t[1], t[2]); },
          {at::randn({tokens, in}), at::randn({out, in}), at::randn({out})}, {true, true, true}, type, tolerance);
}

TEST_P(Ops, LayerNorm) {
  for (const auto& [tokens, width] : std::vector<std::array<std::int64_t, 2>>{{1, 3}, {5, 7}, {200, 384}, {3, 33}})
    agree([](const Tensors& t) { return layer_norm(t[0], t[1], t[2], 1e-5); },
          [](const Tensors& t) { return at::layer_norm(t[0], {t[0].size(1)}, t[1], t[2], 1e-5); },
          {at::randn({tokens, width}) * 3 + 1, at::randn({width}), at::randn({width})}, {true, false, false}, type, tolerance);
}

TEST_P(Ops, DropoutAddLayerNorm) {
  for (const double p : {0.0, 0.1, 0.5}) {
    const RandomSite site{p, 77, 1234};
    for (const std::int64_t width : {1, 7, 33, 384, 5000}) {
      if (width == 1) continue;  // a norm of one number is its beta
      const at::Tensor mask = p > 0 ? composed::mask(site, 9, width).to(at::kDouble) : at::ones({9, width}, at::kDouble);
      agree([&](const Tensors& t) { return dropout_add_layer_norm(t[0], t[1], t[2], t[3], 1e-12, site); },
            [&](const Tensors& t) { return at::layer_norm(t[0] * mask + t[1], {width}, t[2], t[3], 1e-12); },
            {at::randn({9, width}), at::randn({9, width}), at::randn({width}), at::randn({width})}, {true, true, false, false}, type,
            tolerance);
    }
  }
}

TEST_P(Ops, Dropout) {
  for (const std::int64_t width : {1, 8, 20, 4100}) {
    const RandomSite site{0.25, 5, 40};
    const at::Tensor mask = composed::mask(site, 13, width).to(at::kDouble);
    agree([&](const Tensors& t) { return dropout(t[0], site); }, [&](const Tensors& t) { return t[0] * mask; }, {at::randn({13, width})},
          {true}, type, tolerance);
  }
}

TEST_P(Ops, Attention) {
  const std::vector<std::int64_t> cu_seqlens{0, 1, 18, 50, 51, 140};
  for (const double p : {0.0, 0.2})
    for (const auto& [heads, dim] : std::vector<std::array<std::int64_t, 2>>{{1, 8}, {3, 20}, {12, 32}, {2, 33}, {1, 64}}) {
      const RandomSite site{p, 99, 7};
      const double scale = 1 / std::sqrt(static_cast<double>(dim));
      agree([&](const Tensors& t) { return attention(t[0], t[1], t[2], cu_seqlens, scale, site); },
            [&](const Tensors& t) { return composed::attention(t[0], t[1], t[2], self_attention(cu_seqlens, t[0].size(0)), scale, site); },
            {at::randn({140, heads, dim}), at::randn({140, heads, dim}), at::randn({140, heads, dim})}, {true, true, true}, type,
            tolerance);
      const at::Tensor first = at::randn({5, heads, dim}), k = at::randn({140, heads, dim}), v = at::randn({140, heads, dim});
      agree([&](const Tensors& t) { return attention(t[0], t[1], t[2], cu_seqlens, scale, site); },
            [&](const Tensors& t) { return composed::attention(t[0], t[1], t[2], self_attention(cu_seqlens, t[0].size(0)), scale, site); },
            {first, k, v}, {true, true, true}, type, tolerance);
    }
}

// Rows shorter and longer than a block of queries; keys of other rows than the queries'.
TEST_P(Ops, CausalAttention) {
  const std::vector<std::int64_t> cu_seqlens{0, 1, 18, 82, 240};
  for (const double p : {0.0, 0.2}) {
    const RandomSite site{p, 99, 7};
    const AttentionRows rows{cu_seqlens, cu_seqlens, /*causal=*/true};
    agree([&](const Tensors& t) { return attention(t[0], t[1], t[2], rows, 0.2, site); },
          [&](const Tensors& t) { return composed::attention(t[0], t[1], t[2], rows, 0.2, site); },
          {at::randn({240, 3, 20}), at::randn({240, 3, 20}), at::randn({240, 3, 20})}, {true, true, true}, type, tolerance);
  }
}

TEST_P(Ops, CrossAttention) {
  const AttentionRows rows{{0, 70, 71, 80}, {0, 3, 200, 333}};
  for (const double p : {0.0, 0.2}) {
    const RandomSite site{p, 99, 7};
    agree([&](const Tensors& t) { return attention(t[0], t[1], t[2], rows, 0.2, site); },
          [&](const Tensors& t) { return composed::attention(t[0], t[1], t[2], rows, 0.2, site); },
          {at::randn({80, 2, 33}), at::randn({333, 2, 33}), at::randn({333, 2, 33})}, {true, true, true}, type, tolerance);
  }
}

// Queries of the first tokens alone give what all queries give there, dropout too.
TEST(Attention, FirstTokensAlone) {
  const std::vector<std::int64_t> cu_seqlens{0, 1, 18, 50, 51, 140};
  const at::Tensor q = at::randn({140, 4, 32}), k = at::randn({140, 4, 32}), v = at::randn({140, 4, 32});
  for (const RandomSite& site : {RandomSite{}, RandomSite{0.3, 5, 900}}) {
    const at::Tensor all = attention(q, k, v, cu_seqlens, 0.2, site);
    const at::Tensor first = attention(first_tokens(q, cu_seqlens), k, v, cu_seqlens, 0.2, site);
    EXPECT_LE((first - first_tokens(all, cu_seqlens)).abs().max().item<double>(), 1e-6);
    const at::Tensor composed_first = composed::attention(first_tokens(q, cu_seqlens), k, v, self_attention(cu_seqlens, 5), 0.2, site);
    EXPECT_LE((first - composed_first).abs().max().item<double>(), 1e-6);
  }
}

// Inference's attention in bf16 pairs, of any length and width of a head, between other heads' values.
TEST(Attention, InBf16Pairs) {
  const auto attend = cpu::kernels().attention_bf16;
  if (attend == nullptr) GTEST_SKIP() << "no products of bf16 pairs in these kernels or this processor";
  for (const std::int64_t length : {1, 2, 17, 32, 100, 333})
    for (const std::int64_t dim : {1, 8, 33, 64, 80}) {
      const std::int64_t heads = 3;
      const at::Tensor qkv = at::randn({length, 3, heads, dim}).to(at::kBFloat16);
      at::Tensor out = at::full({length, heads, dim}, 7, at::kBFloat16);
      std::vector<float> scratch(static_cast<std::size_t>(cpu::attention_bf16_scratch(length, dim)));
      const auto at = [&](const at::Tensor& x, std::int64_t element) { return static_cast<char*>(x.data_ptr()) + 2 * element; };
      for (std::int64_t head = 0; head < heads; ++head)
        attend(at(qkv, head * dim), at(qkv, (heads + head) * dim), at(qkv, (2 * heads + head) * dim), at(out, head * dim),
               {3 * heads * dim, heads * dim, length, length, dim, 0.3F, false, head, heads}, scratch.data());
      const at::Tensor exact = qkv.to(at::kDouble);
      const at::Tensor theirs =
          composed::attention(exact.select(1, 0), exact.select(1, 1), exact.select(1, 2), self_attention({0, length}, length), 0.3, {});
      EXPECT_LE(error(out, theirs), 0.02) << length << " tokens, " << dim << " wide";
    }
}

// What stands past the last row changes nothing, and gets zeros: as a value and as a gradient.
TEST(Attention, PaddingAtTheEndIsLeftAlone) {
  const Tensors padded{at::randn({64, 2, 8}), at::randn({64, 2, 8}), at::randn({64, 2, 8})};
  Tensors exact;
  for (const at::Tensor& x : padded) exact.push_back(x.narrow(0, 0, 50));
  const Operation attend = [](const Tensors& t) { return attention(t[0], t[1], t[2], {0, 20, 50}, 0.3, {0.1, 3, 7}); };
  const Operation composed_attend = [](const Tensors& t) {
    return composed::attention(t[0], t[1], t[2], {{0, 20, 50}, {0, 20, 50}}, 0.3, {0.1, 3, 7});
  };
  for (const Operation& operation : {attend, composed_attend}) {
    const Result with = run(operation, padded), without = run(operation, exact);
    EXPECT_TRUE(at::equal(with.value.narrow(0, 0, 50), without.value));
    EXPECT_EQ(with.value.narrow(0, 50, 14).abs().max().item<double>(), 0);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(at::equal(with.gradients[i].narrow(0, 0, 50), without.gradients[i]));
      EXPECT_EQ(with.gradients[i].narrow(0, 50, 14).abs().max().item<double>(), 0);
    }
  }
}

TEST(PadTokens, ToTheNextMultipleWithZeros) {
  const at::Tensor x = at::randn({33, 4});
  EXPECT_EQ(pad_tokens(x).sizes(), at::IntArrayRef({64, 4}));
  EXPECT_TRUE(at::equal(pad_tokens(x).narrow(0, 0, 33), x));
  EXPECT_EQ(pad_tokens(x).narrow(0, 33, 31).abs().max().item<double>(), 0);
  EXPECT_EQ(pad_tokens(at::ones({32}, at::kLong)).size(0), 32);
}

// Thousands of bf16 rows: sums kept in bf16 would stop growing. Judged against double on the same rounded values.
TEST(LayerNorm, Bf16GradientsOfItsParametersAreSummedInFp32) {
  const at::Tensor x = (at::randn({5000, 48}) * 3 + 1).to(at::kBFloat16), gamma = at::randn({48}), beta = at::randn({48});
  const at::Tensor seed = (at::randn({5000, 48}) + 1).to(at::kBFloat16);
  const auto gradients = [&](const Operation& operation, at::ScalarType type) {
    Tensors leaves{x.to(type), gamma.clone(), beta.clone()};
    if (type == at::kDouble) leaves = {x.to(type), gamma.to(type), beta.to(type)};
    for (at::Tensor& leaf : leaves) leaf.set_requires_grad(true);
    torch::autograd::backward({operation(leaves)}, {seed.to(type)});
    return Tensors{leaves[1].grad(), leaves[2].grad()};
  };
  const Tensors ours = gradients([](const Tensors& t) { return layer_norm(t[0], t[1], t[2], 1e-5); }, at::kBFloat16);
  const Tensors exact = gradients([](const Tensors& t) { return at::layer_norm(t[0], {48}, t[1], t[2], 1e-5); }, at::kDouble);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_LE(error(ours[i], exact[i]), 2e-6) << (i == 0 ? "gamma" : "beta");
}

// Composed attention itself, against torch's, without dropout.
TEST(Composed, AttentionIsTorchs) {
  const at::Tensor q = at::randn({9, 2, 8}, at::kDouble), k = at::randn({9, 2, 8}, at::kDouble), v = at::randn({9, 2, 8}, at::kDouble);
  const at::Tensor ours = composed::attention(q, k, v, {{0, 4, 9}, {0, 4, 9}}, 0.3, {});
  for (const auto& [begin, length] : std::vector<std::array<std::int64_t, 2>>{{0, 4}, {4, 5}}) {
    const auto of = [&, b = begin, n = length](const at::Tensor& x) { return x.narrow(0, b, n).transpose(0, 1).unsqueeze(0); };
    const at::Tensor theirs = at::scaled_dot_product_attention(of(q), of(k), of(v), {}, 0, false, 0.3).squeeze(0).transpose(0, 1);
    EXPECT_LE(error(ours.narrow(0, begin, length), theirs), 1e-12);
  }
}

TEST(Attention, RowDoesNotSeeItsNeighbours) {
  const at::Tensor q = at::randn({60, 4, 32}), k = at::randn({60, 4, 32}), v = at::randn({60, 4, 32});
  const at::Tensor all = attention(q, k, v, {0, 20, 47, 60}, 0.2, {0.1, 3, 500});
  const at::Tensor alone = attention(q.narrow(0, 20, 27), k.narrow(0, 20, 27), v.narrow(0, 20, 27), {0, 27}, 0.2, {0.1, 3, 520});
  EXPECT_TRUE(at::equal(all.narrow(0, 20, 27), alone));
}

TEST(Attention, LargeScoresStayFinite) {
  const at::Tensor q = at::full({5, 1, 16}, 60.0), v = at::randn({5, 1, 16});
  const at::Tensor out = attention(q, q, v, {0, 5}, 1.0, {});
  EXPECT_LE((out - v.mean(0, true)).abs().max().item<double>(), 1e-5);
}

TEST(Dropout, KeepsTheShareItShouldAndDependsOnTheTokenAlone) {
  const at::Tensor ones = at::ones({2000, 384});
  for (const double p : {0.1, 0.5}) {
    const at::Tensor dropped = dropout(ones, {p, 42, 0});
    const double kept = (dropped > 0).to(at::kDouble).mean().item<double>(), n = 2000.0 * 384;
    EXPECT_NEAR(kept, 1 - p, 4 * std::sqrt(p * (1 - p) / n));
    EXPECT_NEAR(dropped.mean().item<double>(), 1, 4 * std::sqrt(p / (1 - p) / n) + 1e-4);
    EXPECT_TRUE(at::equal(dropped.narrow(0, 700, 100), dropout(ones.narrow(0, 700, 100), {p, 42, 700})));
    EXPECT_FALSE(at::equal(dropped, dropout(ones, {p, 43, 0})));
  }
}

TEST(Embedding, GradientSumsOverEqualIds) {
  const at::Tensor ids = at::tensor({3, 1, 3, 0}, at::kLong);
  const Result ours = run([&](const Tensors& t) { return thaw::embedding(ids, t[0]); }, {at::randn({5, 4})});
  const Result theirs = run([&](const Tensors& t) { return t[0].index_select(0, ids); }, {at::randn({5, 4})});
  EXPECT_TRUE(at::allclose(ours.gradients[0], theirs.gradients[0]));
}

TEST(Embedding, PaddingGetsNoGradient) {
  const at::Tensor ids = at::tensor({3, 1, 3, 0}, at::kLong);
  const Result ours = run([&](const Tensors& t) { return thaw::embedding(ids, t[0], /*padding_id=*/3); }, {at::randn({5, 4})});
  EXPECT_EQ(ours.gradients[0][3].abs().max().item<double>(), 0);
  EXPECT_GT(ours.gradients[0][0].abs().max().item<double>(), 0);
}

TEST(FirstTokens, AreTheRowsBeginnings) {
  const at::Tensor x = at::arange(12).view({6, 2});
  EXPECT_TRUE(at::equal(first_tokens(x, {0, 1, 4, 6}), at::tensor({0, 1, 2, 3, 8, 9}, at::kLong).view({3, 2})));
}

// With the maps to keys and values: rows shorter than a head, longer, and padding; alone and among others.
TEST(CrossAttention, WithTheMapsToKeysAndValues) {
  constexpr std::int64_t heads = 4, dim = 48, width = heads * dim, frames = 433;
  for (const std::vector<std::int64_t>& queries :
       std::vector<std::vector<std::int64_t>>{{0, 60, 70, 118, 180}, {0, 48, 60, 80, 80 + dim}, {0, 60, 120, 180, 240}}) {
    const AttentionRows rows{queries, {0, 3, 200, 333, frames}};
    const std::int64_t tokens = queries.back() + 5;
    for (const double p : {0.0, 0.2}) {
      const RandomSite site{p, 99, 7};
      const auto whole = [&](const at::Tensor& x) { return x.narrow(0, 0, queries.back()); };
      agree(
          [&](const Tensors& t) {
            return whole(cross_attention(t[0], t[1], {t[2], t[3], t[4]}, rows, heads, 0.2, site));
          },
          [&](const Tensors& t) {
            const auto split = [&](const at::Tensor& x) { return x.view({x.size(0), heads, dim}); };
            const at::Tensor keys = at::linear(t[1], t[2]), values = at::linear(t[1], t[3], t[4]);
            return whole(composed::attention(split(t[0]), split(keys), split(values), rows, 0.2, site).view({tokens, width}));
          },
          {at::randn({tokens, width}), at::randn({frames, width}), at::randn({width, width}) * 0.1, at::randn({width, width}) * 0.1,
           at::randn({width})},
          {true, true, true, true, true}, at::kFloat, 1e-5);
    }
  }
}

// A row's values do not depend on its neighbours, and what does not learn gets no gradient.
TEST(CrossAttention, RowIsAsIfAloneAndFrozenMapsGetNoGradient) {
  const KeysAndValues maps{at::randn({32, 32}), at::randn({32, 32}), at::randn({32})};
  const at::Tensor q = at::randn({30, 32}).set_requires_grad(true), memory = at::randn({90, 32});
  const at::Tensor all = cross_attention(q, memory, maps, {{0, 4, 24, 30}, {0, 20, 50, 90}}, 4, 0.3, {});
  const at::Tensor alone = cross_attention(q.narrow(0, 24, 6), memory.narrow(0, 50, 40), maps, {{0, 6}, {0, 40}}, 4, 0.3, {});
  EXPECT_LE((all.narrow(0, 24, 6) - alone).abs().max().item<double>(), 1e-6);
  torch::autograd::backward({all.sum()}, {});
  EXPECT_TRUE(q.grad().defined());
  EXPECT_FALSE(maps.key_weight.grad().defined());
  EXPECT_FALSE(memory.grad().defined());
}

}  // namespace
}  // namespace thaw
