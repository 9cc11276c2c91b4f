// AdamW and clipping against torch, step by step.
#include "framework/train/optimizer.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <mutex>

#include "framework/base/error.h"
#include "tests/support/reference.h"
#include "tests/support/thread_ranks.h"

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

// Ranks that share moments and work: every value has the bits that one rank gives it, also after a resume on another number.
class Shared : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Precision, Shared, ::testing::Values(false, true));

struct SharedRun {
  std::vector<at::Tensor> values, working, gradients;
  at::Tensor rows;  // of the table that have gradients
  std::unique_ptr<AdamW> optimizer;

  // A matrix too large for one round of gathering, vectors shorter than ranks share, and a table.
  SharedRun(bool bf16, const std::shared_ptr<Communicator>& sharers) {
    const std::vector<std::vector<std::int64_t>> shapes{{1500, 1001}, {3, 70}, {5}, {700}, {400, 12}};
    std::vector<OptimizedParameter> parameters;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      values.push_back(at::sin(at::arange(c10::multiply_integers(shapes[i])) * 0.1).view(shapes[i]));
      gradients.push_back(at::zeros_like(values[i]));
      working.push_back(bf16 ? values[i].to(at::kBFloat16) : at::Tensor());
      parameters.push_back({fmt::format("p{}", i), values[i], gradients[i], working[i], 1, i % 2 == 0});
    }
    parameters.back().touched = [this] { return rows; };
    optimizer = std::make_unique<AdamW>(OptimizerRecipe{}, parameters, sharers);
  }
  void step(std::int64_t number) {
    for (at::Tensor& g : gradients) g.copy_(at::cos(at::arange(g.numel()) * (0.01 * static_cast<double>(number + 1))).view(g.sizes()));
    rows = (at::arange(9) * (17 * (number + 1))) % 400;
    rows = std::get<0>(rows.sort());
    const at::Tensor all = gradients.back().clone();
    gradients.back().zero_().index_copy_(0, rows, all.index_select(0, rows));
    optimizer->step(1e-2, 0.5);
  }
  // As a checkpoint has it: pieces under the names that they have in a file.
  void write(State& into) const {
    const State state = optimizer->state();
    into.values = state.values;
    for (const auto& [name, tensor] : state.tensors) {
      const auto piece = state.pieces.find(name);
      into.tensors[piece == state.pieces.end() ? name : piece_name(name, piece->second)] = tensor.clone();
    }
  }
};

TEST_P(Shared, AsOneRankAlone) {
  const int steps = 3;
  SharedRun alone(GetParam(), nullptr);
  for (int step = 0; step < 2 * steps; ++step) alone.step(step);
  const auto expect_same = [&](const SharedRun& run, int ranks) {
    for (std::size_t i = 0; i < run.values.size(); ++i) {
      EXPECT_TRUE(at::equal(run.values[i], alone.values[i])) << ranks << " ranks, p" << i;
      if (GetParam()) {
        EXPECT_TRUE(at::equal(run.working[i], alone.working[i])) << ranks << " ranks, p" << i;
      }
    }
  };
  for (const int ranks : {2, 3, 4, 7}) {
    State saved;
    std::vector<at::Tensor> values;
    std::mutex mutex;
    std::atomic<std::int64_t> kept = 0;
    test::ThreadRanks::run(ranks, [&](const auto& comm) {
      at::set_num_threads(1);
      SharedRun run(GetParam(), comm);
      for (int step = 0; step < steps; ++step) run.step(step);
      const std::lock_guard lock(mutex);
      run.write(saved);
      for (const auto& [name, tensor] : run.optimizer->state().tensors) kept += tensor.numel();
      if (comm->rank() == ranks - 1) values = run.values;
    });
    std::int64_t all = 0;
    for (const at::Tensor& value : alone.values) all += 2 * value.numel();
    EXPECT_EQ(kept, all) << "moments are kept once";
    test::ThreadRanks::run(ranks - 1, [&](const auto& comm) {
      at::set_num_threads(1);
      SharedRun run(GetParam(), comm);
      for (std::size_t i = 0; i < values.size(); ++i) run.values[i].copy_(values[i]);
      run.optimizer->load(saved);
      for (int step = steps; step < 2 * steps; ++step) run.step(step);
      const std::lock_guard lock(mutex);
      expect_same(run, ranks);
    });
  }
}

TEST_P(Shared, APieceThatIsMissingIsNamed) {
  State saved;
  test::ThreadRanks::run(2, [&](const auto& comm) {
    SharedRun run(GetParam(), comm);
    if (comm->rank() == 1) run.write(saved);
  });
  SharedRun run(GetParam(), nullptr);
  try {
    run.optimizer->load(saved);
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_NE(std::string(error.what()).find("p0"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace thaw
