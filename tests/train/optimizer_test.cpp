// AdamW and clipping against torch, step by step.
#include "framework/train/optimizer.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/support/reference.h"

namespace thaw {
namespace {

const Json& expected() {
  static const Json read = test::reference("train/optimizer_reference.py");
  return read;
}

struct Parameters {
  std::vector<at::Tensor> values, gradients;
  AdamW optimizer;
};

Parameters parameters(const Json& start, bool bf16) {
  OptimizerRecipe recipe;
  recipe.weight_decay = 0.1;
  recipe.beta1 = 0.8;
  recipe.beta2 = 0.95;
  recipe.eps = 1e-6;
  std::vector<at::Tensor> values, gradients;
  std::vector<OptimizedParameter> optimized;
  for (std::size_t i = 0; i < 2; ++i) {
    values.push_back(at::tensor(start[i].get<std::vector<float>>()));
    gradients.push_back(at::zeros_like(values.back()));
    optimized.push_back(
        {i == 0 ? "decayed" : "plain", values.back(), gradients.back(), bf16 ? values.back().to(at::kBFloat16) : at::Tensor(), 1, i == 0});
  }
  return {values, gradients, AdamW(recipe, optimized)};
}

TEST(AdamW, AsTorchStepByStep) {
  THAW_NEEDS_PYTHON();
  const Json& run = expected();
  Parameters p = parameters(run["start"], false);
  for (std::size_t step = 0; step < run["steps"].size(); ++step) {
    const Json& s = run["steps"][step];
    for (std::size_t i = 0; i < 2; ++i) p.gradients[i].copy_(at::tensor(s["gradients"][i].get<std::vector<float>>()));
    const double norm = global_norm(p.gradients);
    EXPECT_NEAR(norm, s["norm"], 1e-6 * norm);
    p.optimizer.step(s["lr"].get<double>(), std::min(1.0, 1.0 / (norm + 1e-6)));
    for (std::size_t i = 0; i < 2; ++i) {
      const at::Tensor theirs = at::tensor(s["values"][i].get<std::vector<float>>());
      EXPECT_LE((p.values[i] - theirs).abs().max().item<double>(), 1e-6 * theirs.abs().max().item<double>()) << "step " << step;
    }
  }
}

TEST(AdamW, StateRoundTripAndThreadsKeepTheBits) {
  const Json start = {std::vector<float>(300000, 0.5F), std::vector<float>(7, 1.0F)};
  const auto run = [&](int threads, bool through_state) {
    at::set_num_threads(threads);
    Parameters p = parameters(start, true);
    for (int step = 0; step < 4; ++step) {
      for (at::Tensor& g : p.gradients) g.copy_(at::sin(at::arange(g.numel()) * (step + 1)));
      p.optimizer.step(1e-2, 1 / global_norm(p.gradients));
      if (through_state && step == 1) {
        const State state = p.optimizer.state();
        State copy;
        for (const auto& [name, tensor] : state.tensors) copy.tensors[name] = tensor.clone();
        copy.values = state.values;
        Parameters fresh = parameters(start, true);
        for (std::size_t i = 0; i < 2; ++i) fresh.values[i].copy_(p.values[i]);
        fresh.optimizer.load(copy);
        p = std::move(fresh);
      }
    }
    at::set_num_threads(1);
    return p.values;
  };
  const auto a = run(1, false), b = run(2, false), c = run(1, true);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(at::equal(a[i], b[i]));
    EXPECT_TRUE(at::equal(a[i], c[i]));
  }
}

TEST(AdamW, WorkingCopyIsTheRoundedMaster) {
  at::Tensor value = at::randn({1000}), gradient = at::randn({1000}), working = value.to(at::kBFloat16);
  AdamW optimizer({}, {{"w", value, gradient, working, 1, true}});
  optimizer.step(1e-1);
  EXPECT_TRUE(at::equal(working, value.to(at::kBFloat16)));
}

// Told which rows have gradients, it leaves the others' moments alone, and every bit is as without: also after a resume.
TEST(AdamW, RowsWithoutGradientsAreDecayedAlone) {
  const at::Tensor start = at::sin(at::arange(40 * 12)).view({40, 12});
  const std::vector<std::vector<std::int64_t>> touched{{3, 7}, {}, {7, 20, 39}, {0}};
  const auto run = [&](bool told, bool resumed) {
    const at::Tensor value = start.clone(), gradient = at::zeros_like(value), working = value.to(at::kBFloat16);
    at::Tensor rows;
    const auto make = [&] {
      OptimizedParameter parameter{"table", value, gradient, working, 1, true};
      if (told) parameter.touched = [&rows] { return rows; };
      return AdamW({}, {parameter});
    };
    AdamW optimizer = make();
    for (std::size_t step = 0; step < touched.size(); ++step) {
      rows = at::tensor(touched[step], at::kLong);
      gradient.zero_().index_copy_(0, rows, at::cos(at::arange(rows.size(0) * 12)).view({rows.size(0), 12}));
      optimizer.step(1e-2, 0.5);
      if (!resumed || step != 1) continue;
      const State state = optimizer.state();
      AdamW other = make();
      other.load(state);
      optimizer = std::move(other);
    }
    EXPECT_TRUE(at::equal(working, value.to(at::kBFloat16)));
    return value;
  };
  const at::Tensor expected = run(false, false);
  EXPECT_TRUE(at::equal(run(true, false), expected));
  EXPECT_TRUE(at::equal(run(true, true), expected));
  EXPECT_FALSE(at::equal(expected[1], start[1]));  // decay moves the row that never had a gradient
}

}  // namespace
}  // namespace thaw
