// Convolution over packed rows against torch's conv1d, group_norm and weight_norm of each row alone, in double precision.
#include "framework/nn/convolution.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include <functional>

#include "framework/base/error.h"
#include "framework/nn/relative_attention.h"

namespace thaw {
namespace {

using Tensors = std::vector<at::Tensor>;
using Operation = std::function<at::Tensor(const Tensors&)>;

// The value, then the gradient of each input, for a fixed, uneven gradient of the value, rounded to `type`.
Tensors run(const Operation& operation, const Tensors& inputs, at::ScalarType type) {
  Tensors leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.detach().clone().set_requires_grad(true));
  const at::Tensor value = operation(leaves);
  const at::Tensor seed = at::sin(at::arange(value.numel(), at::kDouble) * 0.7).view(value.sizes()).to(type).to(value.scalar_type());
  torch::autograd::backward({value}, {seed});
  Tensors results{value.detach()};
  for (const at::Tensor& leaf : leaves) results.push_back(leaf.grad());
  return results;
}

double error(const at::Tensor& ours, const at::Tensor& exact) {
  return (ours.to(at::kDouble) - exact).abs().max().item<double>() / std::max(exact.abs().max().item<double>(), 1e-3);
}

// Joins what `operation` gives for each row of the first input.
Operation row_by_row(const std::vector<std::int64_t>& cu_seqlens,
                     const std::function<at::Tensor(const at::Tensor&, const Tensors&)>& operation) {
  return [=](const Tensors& t) {
    Tensors rows;
    for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row)
      rows.push_back(operation(t[0].narrow(0, cu_seqlens[row], cu_seqlens[row + 1] - cu_seqlens[row]), t));
    return at::cat(rows);
  };
}

void agree(const Operation& ours, const Operation& theirs, const Tensors& inputs, at::ScalarType type, double tolerance,
           std::size_t first_fp32 = 99) {
  Tensors given, exact;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    given.push_back(inputs[i].to(i < first_fp32 ? type : at::kFloat));
    exact.push_back(given.back().to(at::kDouble));
  }
  at::set_num_threads(1);
  const Tensors a = run(ours, given, type), b = run(theirs, exact, type);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_LE(error(a[i], b[i]), tolerance) << (i == 0 ? "value" : "gradient ") << i;
  for (const int threads : {2, 8}) {
    at::set_num_threads(threads);
    const Tensors c = run(ours, given, type);
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], c[i])) << i << " depends on threads";
  }
  at::set_num_threads(1);
}

struct Case {
  at::ScalarType type;
  double tolerance;
};
class Convolutions : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Precision, Convolutions, ::testing::Values(Case{at::kFloat, 1e-5}, Case{at::kBFloat16, 0.02}),
                         [](const auto& tested) { return tested.param.type == at::kFloat ? "fp32" : "bf16"; });

struct Shape {
  Convolution convolution;
  std::int64_t in, out;
  bool bias;
};
const std::vector<Shape> shapes{{{10, 5, 0, 0, 1}, 1, 24, false}, {{3, 2, 0, 0, 1}, 24, 16, true}, {{2, 2, 0, 0, 1}, 16, 20, false},
                                {{8, 1, 4, 3, 3}, 12, 12, true},  {{9, 1, 4, 4, 2}, 10, 6, false}, {{4, 3, 2, 1, 2}, 6, 8, true},
                                {{1, 1, 0, 0, 1}, 5, 7, true},    {{2, 3, 1, 0, 1}, 3, 4, false},  {{3, 1, 5, 0, 1}, 3, 4, true},
                                {{3, 1, 1, 1, 1}, 8, 6, false},   {{3, 2, 1, 1, 1}, 6, 9, true},   {{5, 3, 2, 2, 1}, 6, 9, false},
                                {{1, 2, 0, 0, 1}, 6, 9, true},    {{4, 2, 7, 6, 3}, 6, 9, true}};

TEST_P(Convolutions, AreTorchsOfEachRow) {
  at::manual_seed(3);
  const std::vector<std::int64_t> cu_seqlens{0, 10, 31, 172, 183, 2600};
  for (const auto& [c, in, out, bias] : shapes) {
    Tensors inputs{at::randn({2607, in}), at::randn({out, in / c.groups, c.kernel})};  // seven tokens of padding
    if (bias) inputs.push_back(at::randn({out}));
    const Convolution shape = c;
    const auto bias_of = [=](const Tensors& t) { return bias ? t[2] : at::Tensor(); };
    SCOPED_TRACE(::testing::Message() << "kernel " << c.kernel << " stride " << c.stride << " groups " << c.groups);
    agree(
        [=](const Tensors& t) {
          return convolution(t[0], laid_out(t[1], shape), bias_of(t), cu_seqlens, shape).narrow(0, 0, shape.rows(cu_seqlens).back());
        },
        row_by_row(cu_seqlens,
                   [=](const at::Tensor& row, const Tensors& t) {
                     const at::Tensor padded = at::constant_pad_nd(row.t(), {shape.before, shape.after}).unsqueeze(0);
                     return at::conv1d(padded, t[1], bias_of(t), at::IntArrayRef{shape.stride}, at::IntArrayRef{0}, at::IntArrayRef{1},
                                       shape.groups)[0]
                         .t();
                   }),
        inputs, GetParam().type, GetParam().tolerance);
  }
}

TEST_P(Convolutions, TimeNormIsTorchsGroupNormOfEachRow) {
  at::manual_seed(4);
  const std::vector<std::int64_t> cu_seqlens{0, 2, 31, 172, 900};
  agree([&](const Tensors& t) { return time_norm(t[0], t[1], t[2], cu_seqlens, 1e-5, GetParam().type); },
        row_by_row(cu_seqlens, [](const at::Tensor& row,
                                  const Tensors& t) { return at::group_norm(row.t().unsqueeze(0), row.size(1), t[1], t[2], 1e-5)[0].t(); }),
        {at::randn({905, 20}) * 3 + 1, at::randn({20}), at::randn({20})}, GetParam().type, GetParam().tolerance, 1);
}

TEST_P(Convolutions, RowMeans) {
  const std::vector<std::int64_t> cu_seqlens{0, 1, 31, 172, 900};
  agree([&](const Tensors& t) { return row_means(t[0], cu_seqlens); },
        row_by_row(cu_seqlens, [](const at::Tensor& row, const Tensors&) { return row.mean(0, true); }), {at::randn({905, 20}) + 1},
        GetParam().type, GetParam().tolerance);
}

TEST(Convolution, WeightOfWeightNorm) {
  const Tensors inputs{at::rand({1, 1, 8}) + 0.5, at::randn({6, 3, 8})};
  agree([](const Tensors& t) { return normed_weight(t[0], t[1], t[1].scalar_type()); },
        [](const Tensors& t) { return at::_weight_norm(t[1], t[0], 2); }, inputs, at::kFloat, 1e-5);
}

// Scores with the bias written out, as WavLM has it; a row of one token, and rows shorter than the longest.
TEST_P(Convolutions, RelativeAttention) {
  at::manual_seed(5);
  const std::vector<std::int64_t> cu_seqlens{0, 1, 20, 73, 80};
  constexpr std::int64_t heads = 3, dim = 8, longest = 60;  // longer than any row here
  const Tensors inputs{at::randn({83, heads, dim}), at::randn({83, heads, dim}), at::randn({83, heads, dim}), at::randn({83, heads}),
                       at::randn({heads, 2 * longest - 1})};
  agree([&](const Tensors& t) { return relative_attention(t[0], t[1], t[2], t[3], t[4], cu_seqlens, 0.3, {}).narrow(0, 0, 80); },
        [&](const Tensors& t) {
          Tensors rows;
          for (std::size_t row = 0; row + 1 < cu_seqlens.size(); ++row) {
            const std::int64_t start = cu_seqlens[row], length = cu_seqlens[row + 1] - start;
            const auto of = [&](std::size_t i) { return t[i].narrow(0, start, length).transpose(0, 1); };
            const at::Tensor places = at::arange(length).unsqueeze(0) - at::arange(length).unsqueeze(1) + longest - 1;
            const at::Tensor bias = t[4].index_select(1, places.flatten()).view({heads, length, length}) * of(3).unsqueeze(2);
            rows.push_back(at::softmax(at::matmul(of(0), of(1).transpose(1, 2)) * 0.3 + bias, -1).matmul(of(2)).transpose(0, 1));
          }
          return at::cat(rows);
        },
        inputs, GetParam().type, GetParam().tolerance, 3);
}

// Dropped probabilities: the mean over many masks is what no mask gives, and backward drops what forward did.
TEST(RelativeAttention, DropsTheSameForwardAndBackward) {
  const Tensors in{at::randn({40, 2, 8}), at::randn({40, 2, 8}), at::randn({40, 2, 8}), at::randn({40, 2}), at::randn({2, 79})};
  const auto attend = [&](const at::Tensor& v, const RandomSite& site) {
    return relative_attention(in[0], in[1], v, in[3], in[4], {0, 15, 40}, 0.3, site);
  };
  at::Tensor mean = at::zeros({40, 2, 8});
  for (std::uint64_t key = 0; key < 400; ++key) mean += attend(in[2], {0.2, key, 0}) / 400;
  EXPECT_LE((mean - attend(in[2], {})).abs().max().item<double>(), 0.15);
  EXPECT_FALSE(at::equal(attend(in[2], {0.2, 1, 0}), attend(in[2], {})));
  // linear in v: the gradient's product with v is the value's with the seed
  const Tensors results = run([&](const Tensors& t) { return attend(t[0], {0.2, 9, 3}); }, {in[2]}, at::kFloat);
  const at::Tensor seed = at::sin(at::arange(640, at::kDouble) * 0.7).view({40, 2, 8});
  EXPECT_NEAR((results[0] * seed).sum().item<double>(), (results[1] * in[2]).sum().item<double>(), 1e-4);
}

// To the bit: what stands before, behind and past a row changes nothing of it.
TEST(Convolution, RowIsAsIfAlone) {
  at::set_num_threads(2);
  for (const auto& [c, in, out, bias] : shapes) {
    const at::Tensor x = at::randn({1000, in}), weight = laid_out(at::randn({out, in / c.groups, c.kernel}), c);
    const std::vector<std::int64_t> cu_seqlens{0, 313, 350, 1000};
    const std::vector<std::int64_t> outputs = c.rows(cu_seqlens);
    const at::Tensor all = convolution(x, weight, {}, cu_seqlens, c);
    ASSERT_EQ(all.size(0), tokens_of_pass(outputs.back()));
    for (std::size_t row = 0; row < 3; ++row) {
      const std::int64_t length = cu_seqlens[row + 1] - cu_seqlens[row];
      const at::Tensor alone = convolution(x.narrow(0, cu_seqlens[row], length), weight, {}, {0, length}, c).narrow(0, 0, c.length(length));
      EXPECT_TRUE(at::equal(all.narrow(0, outputs[row], outputs[row + 1] - outputs[row]), alone)) << "row " << row;
    }
  }
  at::set_num_threads(1);
}

TEST(Convolution, RefusesARowThatIsTooShort) {
  const Convolution shape{10, 5, 0, 0, 1};
  EXPECT_EQ(shape.length(10), 1);
  EXPECT_EQ(shape.length(9), 0);
  EXPECT_EQ(shape.length(14), 1);
  EXPECT_EQ(shape.length(15), 2);
  try {
    convolution(at::zeros({29, 1}), at::zeros({1, 4, 10}), {}, {0, 20, 29}, shape);
    ADD_FAILURE() << "accepted";
  } catch (const DataError& error) {
    EXPECT_EQ(std::string(error.what()),
              "row 1 of a pass has 9 values for a convolution whose kernel is 10: too short; leave such rows out");
  }
}

}  // namespace
}  // namespace thaw
