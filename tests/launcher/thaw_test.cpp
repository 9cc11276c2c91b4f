// Thawing in phases, by whole runs: the same weights as plain PyTorch scripts of published methods (thaw_reference.py).
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <ostream>

#include "framework/base/file.h"
#include "framework/tensor/safetensors.h"
#include "framework/tensor/weights.h"
#include "framework/train/checkpoint.h"
#include "tests/launcher/program.h"
#include "tests/support/reference.h"

namespace thaw::test {
namespace {

struct Method {
  const char* name;
  double lr;
  const char* recipe;        // schedule and thaw
  std::string right, wrong;  // the control: with one in place of the other, weights differ
};

void PrintTo(const Method& method, std::ostream* out) { *out << method.name; }

const Method methods[] = {
    {"ulmfit", 2e-3, R"(
schedule: {name: slanted_triangular}
thaw:
  layer_decay: {convention: ulmfit, decay: 2.6}
  phases:
    - {trainable: head, until: {epochs: 10}, schedule: restart}
    - {trainable: [head, top 1], until: {epochs: 10}, schedule: restart}
    - {trainable: all, until: {epochs: 20}, schedule: restart}
)",
     "decay: 2.6", "decay: 2.5"},
    {"fastai", 2e-3, R"(
thaw:
  phases:
    - {trainable: head, until: {steps: 8}, schedule: {name: one_cycle, pct_start: 0.99}}
    - {trainable: [head, top 1], until: {steps: 8}, lr: 1.0e-03, schedule: {name: one_cycle, pct_start: 0.3, div: 5}}
    - trainable: all
      until: {steps: 16}
      rates: {embeddings: 1.0e-05, encoder.layer.0: 3.1622776601683795e-05, encoder.layer.1: 1.0e-04, top 1: 3.1622776601683795e-04, head: 1.0e-03}
      schedule: {name: one_cycle, pct_start: 0.3, div: 5}
)",
     "pct_start: 0.99", "pct_start: 0.9"},
    {"allennlp", 1e-3, R"(
schedule: {name: slanted_triangular, cut_frac: 0.1, ratio: 32}
thaw:
  layer_decay: {convention: beit, decay: 0.38}
  phases:
    - {trainable: [head], until: {epochs: 10}, schedule: restart}
    - {trainable: [head, top 1], until: {epochs: 10}, schedule: restart}
    - {trainable: [head, top 2], until: {epochs: 10}, schedule: restart}
    - {trainable: [head, top 3], until: {epochs: 10}, schedule: restart}
    - {trainable: [all], until: {epochs: 20}, schedule: restart}
)",
     "convention: beit", "convention: electra"},
    {"lp_ft", 5e-3, R"(
schedule: {name: cosine, warmup_ratio: 0.1}
thaw:
  layer_decay: {convention: electra}
  phases:
    - {trainable: head, until: {steps: 15}, schedule: restart}
    - {trainable: all, until: {steps: 20}, lr: 5.0e-04, schedule: restart, moments: fresh}
)",
     "moments: fresh", "moments: keep"},
    {"freeze_n_steps", 1e-3, R"(
schedule: {name: tri_stage}
thaw:
  phases:
    - {trainable: [/^bert.pooler/, classifier.weight, classifier.bias], until: {rows: 720}}
    - {trainable: [head, encoder.layer.0-2], until: {rows: 1800}}
    - {trainable: [head, encoder.layer.0-2, /LayerNorm/], until: {rows: 1080}}
)",
     "rows: 720", "rows: 630"},
    {"few_sample", 1e-3, R"(
schedule: {name: linear, warmup_ratio: 0.1}
thaw:
  layer_decay: {convention: few_sample, min_scale: 0.9}
  phases:
    - {trainable: head, until: {epochs: 10}}
    - {trainable: [head, top 2], until: {epochs: 10}}
    - {trainable: all, until: {epochs: 10}}
)",
     "min_scale: 0.9", "min_scale: 0.85"},
    {"chain_thaw", 5e-4, R"(
schedule: {name: constant, warmup_steps: 2}
thaw:
  layer_decay: {convention: sun}
  phases:
    - {trainable: head, until: {steps: 5}, lr: 1.0e-03}
    - {trainable: encoder.layer.0, until: {steps: 5}}
    - {trainable: encoder.layer.1, until: {steps: 5}}
    - {trainable: encoder.layer.2, until: {steps: 5}}
    - {trainable: all, until: {steps: 10}}
)",
     "trainable: all, until", "trainable: all, moments: fresh, until"},
};

using Tensors = std::map<std::string, at::Tensor>;

Tensors tensors_of(const fs::path& file) {
  const SafetensorsFile read(file);
  Tensors tensors;
  for (const std::string& name : read.names()) tensors[name] = read.tensor(name).to(at::kDouble, false, true);
  return tensors;
}

Tensors weights_in(const fs::path& checkpoint) {
  Tensors tensors;
  for (const auto& [name, tensor] : part(load_checkpoint(checkpoint), "model").tensors) tensors[name] = tensor.to(at::kDouble, false, true);
  return tensors;
}

// The largest difference of a tensor's elements: by the largest of the reference's elements; and, beyond what 40 steps of fp32
// round off, by the largest of its moves from the start.
struct Distance {
  double of_values = 0, of_key_biases = 0, of_moves = 0;
  std::string farthest;
};

Distance distance(const Tensors& ours, const Tensors& theirs, const Tensors& start) {
  constexpr double rounding = 4e-7;  // 40 steps, each half a unit in the last place, at random
  Distance most;
  for (const auto& [name, value] : ours) {
    const at::Tensor expected = theirs.at(name);
    const double difference = (value - expected).abs().max().item<double>(), moved = (expected - start.at(name)).abs().max().item<double>();
    if (moved == 0) {  // never learned
      EXPECT_EQ(difference, 0) << name;
      continue;
    }
    const double largest = expected.abs().max().item<double>();
    if (moved < 1e-6 * largest) {  // a key's bias: its gradient is rounding alone, which Adam scales up to the rate
      most.of_key_biases = std::max(most.of_key_biases, difference / largest);
      continue;
    }
    if (moved < 0.9 * largest) most.of_values = std::max(most.of_values, difference / largest);  // one that began at zero is all move
    const double of_moves = (difference - rounding * largest) / moved;
    if (of_moves > most.of_moves) most.farthest = name;
    most.of_moves = std::max(most.of_moves, of_moves);
  }
  return most;
}

class Parity : public ::testing::TestWithParam<Method> {
 protected:
  const Workshop shop{3};
  static constexpr double tolerance = 1e-5;

  // DIRECTORY as transformers names it, with a head that both sides read: `headed`.
  void give_head(const fs::path& directory) const {
    fs::create_directories(shop.path("headed"));
    for (const auto& file : fs::directory_iterator(directory))
      if (file.is_regular_file() && file.path().extension() != ".safetensors") fs::copy(file, shop.path("headed"));
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    std::int64_t width = 0;
    const Weights weights(directory);
    for (const std::string& name : weights.names()) {
      tensors.emplace_back(name.starts_with("bert.") ? name : "bert." + name, weights.tensor(name).clone());
      if (name.ends_with("pooler.dense.bias")) width = weights.tensor(name).size(0);
    }
    tensors.emplace_back("classifier.weight", at::sin(at::arange(2 * width)).view({2, width}).to(at::kFloat) * 0.2);
    tensors.emplace_back("classifier.bias", at::tensor({0.1F, -0.05F}));
    write_safetensors(shop.path("headed/model.safetensors"), tensors);
  }

  // All rows in every step.
  std::string recipe(const Method& method, int rows) const {
    return fmt::format(R"(recipe: 1
task: text-classification
model: {0}/headed
output_dir: {0}/run
dropout: 0
data: {{train: {0}/train.tsv, cache_dir: {0}/cache, max_length: 32}}
batch: {{size: {1}, grain: {2}}}
optimizer: {{lr: {3}, weight_decay: 0.1, eps: 1.0e-06, clip_norm: 0.5}}
checkpoint: {{every_steps: 1000}}{4})",
                       shop.path(), (rows + 3) / 4 * 4, (rows + 3) / 4, method.lr, method.recipe);
  }

  Tensors reference_weights(const std::string& method) const {
    const Ran ran = shell(fmt::format("{} " THAW_SOURCE_DIR "/tests/launcher/thaw_reference.py {} {} {} {}", python().value(), method,
                                      shop.path("headed"), shop.path("train.tsv"), shop.path("theirs.safetensors")));
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return tensors_of(shop.path("theirs.safetensors"));
  }

  Tensors trained(const Method& method, const std::string& run, int rows, int ranks) const {
    shop.write("phases.yaml", recipe(method, rows));
    const Ran ran = thaw(fmt::format("train {} output_dir={}", shop.path("phases.yaml"), shop.path(run)), ranks);
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return weights_in(newest_checkpoint(shop.path(run)).path.value());
  }

  void expect_parity(Method method, int rows, const std::vector<int>& numbers_of_ranks, double tolerance_of_moves) const {
    const Tensors start = tensors_of(shop.path("headed/model.safetensors")), theirs = reference_weights(method.name);
    ASSERT_TRUE(theirs.contains("loss"));
    for (const int ranks : numbers_of_ranks) {
      const std::string run = fmt::format("ranks{}", ranks);
      const Tensors ours = trained(method, run, rows, ranks);
      const auto log = shop.log(run);
      ASSERT_EQ(static_cast<std::int64_t>(log.size()), theirs.at("loss").size(0));
      for (std::size_t i = 0; i < log.size(); ++i)
        for (const char* what : {"loss", "grad_norm"}) {
          const double expected = theirs.at(what)[static_cast<std::int64_t>(i)].item<double>();
          ASSERT_NEAR(log[i][what].get<double>(), expected, (what == std::string("loss") ? 1 : 10) * tolerance * expected)
              << what << " of step " << i + 1;
        }
      const Distance d = distance(ours, theirs, start);
      RecordProperty(run, fmt::format("{:.1e} of values, {:.1e} of moves ({})", d.of_values, d.of_moves, d.farthest));
      fmt::print("{} on {} ranks: {:.1e} of values, {:.1e} of moves ({})\n", method.name, ranks, d.of_values, d.of_moves, d.farthest);
      EXPECT_LE(d.of_values, tolerance) << run;
      EXPECT_LE(d.of_key_biases, 5 * tolerance) << run;
      EXPECT_LE(d.of_moves, tolerance_of_moves) << run << " " << d.farthest;
    }
    std::string other = method.recipe;
    other.replace(other.find(method.right), method.right.size(), method.wrong);
    method.recipe = other.c_str();
    EXPECT_GT(distance(trained(method, "control", rows, 1), theirs, start).of_values, 10 * tolerance) << method.wrong;
  }
};

TEST_P(Parity, SameWeightsAsPlainPyTorchOnOneTwoAndFourRanks) {
  THAW_NEEDS_PYTHON();
  give_head(shop.path("model"));
  expect_parity(GetParam(), 90, {1, 2, 4}, 5e-4);
}

// Layers that sleep drop nothing, though the model's dropout is high; those that learn do.
TEST(Dropout, IsOfLayersThatLearn) {
  const Workshop shop;
  const auto losses = [&](const char* dropout, const char* phases) {
    Json config = Json::parse(shop.file("model/config.json"));
    config.update(Json::parse(dropout));
    shop.write("model/config.json", config.dump());
    const std::string run = fmt::format("run{}", std::rand());
    shop.write("phases.yaml", fmt::format("recipe: 1\ntask: text-classification\nmodel: {0}/model\noutput_dir: {0}/{1}\n"
                                          "data: {{train: {0}/train.tsv, cache_dir: {0}/cache}}\nbatch: {{size: 32, grain: 16}}\n"
                                          "optimizer: {{lr: 1.0e-03}}\nthaw: {{phases: [{2}]}}\n",
                                          shop.path(), run, phases));
    const Ran ran = thaw("train " + shop.path("phases.yaml"));
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    std::vector<double> all;
    for (const Json& step : shop.log(run)) all.push_back(step["loss"]);
    return all;
  };
  const char *none = R"({"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "classifier_dropout": 0})",
             *trunk = R"({"hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.5, "classifier_dropout": 0})",
             *head = R"({"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "classifier_dropout": 0.5})";
  const char *up = "{trainable: head, until: {steps: 3}}, {trainable: [head, top 1], until: {steps: 3}}",
             *below = "{trainable: [top 1, embeddings], until: {steps: 3}}",
             *down = "{trainable: all, until: {steps: 3}, lr: 1.0e-12}, {trainable: head, until: {steps: 3}, moments: fresh}";
  const auto first_of = [](const std::vector<double>& all) { return std::vector<double>(all.begin(), all.begin() + 3); };
  const auto plain = losses(none, up), dropped = losses(trunk, up);
  EXPECT_EQ(first_of(plain), first_of(dropped));
  EXPECT_GT(std::abs(plain[3] - dropped[3]), 1e-4);
  EXPECT_EQ(losses(none, below), losses(head, below));
  EXPECT_GT(std::abs(losses(none, up)[0] - losses(head, up)[0]), 1e-4);
  // Awake, they drop; back asleep, no more. (The first phase moves nothing.)
  const auto still = losses(none, down), asleep_again = losses(trunk, down);
  EXPECT_GT(std::abs(still[0] - asleep_again[0]), 1e-4);
  for (std::size_t step = 3; step < 6; ++step) EXPECT_NEAR(still[step], asleep_again[step], 1e-6) << step;
}

// A phase may teach a single table or a single bias: it alone changes, on two ranks as on one.
TEST(Phases, TeachOneParameterAlone) {
  const Workshop shop;
  const std::vector<std::string> alone{"bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.output.dense.bias",
                                       "classifier.bias"};
  shop.write("phases.yaml",
             fmt::format("recipe: 1\ntask: text-classification\nmodel: {0}/model\noutput_dir: {0}/run\n"
                         "data: {{train: {0}/train.tsv, cache_dir: {0}/cache}}\nbatch: {{size: 32, grain: 16}}\n"
                         "checkpoint: {{keep: 9}}\nthaw: {{phases: [{{trainable: {1}, until: {{steps: 2}}, lr: 1.0e-03, "
                         "schedule: {{name: constant}}}}]}}\n",
                         shop.path(), fmt::join(alone, ", until: {steps: 2}, lr: 1.0e-03, schedule: {name: constant}}, {trainable: ")));
  const auto weights = [&](const std::string& run, std::int64_t step) {
    return weights_in(shop.path(run + "/checkpoints/" + checkpoint_name(step)));
  };
  for (const int ranks : {1, 2}) {
    const std::string run = fmt::format("ranks{}", ranks);
    const Ran ran = thaw(fmt::format("train {} output_dir={}", shop.path("phases.yaml"), shop.path(run)), ranks);
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
    for (const std::int64_t phase : {1, 2}) {
      const Tensors before = weights(run, 2 * phase), after = weights(run, 2 * phase + 2);
      for (const auto& [name, value] : after)
        EXPECT_EQ(at::equal(value, before.at(name)), name != alone[static_cast<std::size_t>(phase)]) << run << " " << name;
    }
  }
  const Tensors one = weights("ranks1", 6), two = weights("ranks2", 6), start = tensors_of(shop.path("model/model.safetensors"));
  for (const auto& [name, value] : one) EXPECT_LE((value - two.at(name)).abs().max().item<double>(), 1e-6) << name;
  EXPECT_GT((one.at(alone[0]) - start.at(alone[0])).abs().max().item<double>(), 1e-4);
}

class ParityOfMiniLm : public Parity {};

TEST_P(ParityOfMiniLm, SameWeightsAsPlainPyTorch) {
  THAW_NEEDS_PYTHON();
  const std::string model = THAW_SOURCE_DIR "/build/models/all-MiniLM-L6-v2";
  if (!fs::exists(model)) GTEST_SKIP() << "no MiniLM weights (cluster/setup.sh brings them)";
  shop.write("train.tsv", Workshop::rows(3, 12));
  give_head(model);
  expect_parity(GetParam(), 12, {2}, 1e-2);  // gradients near the noise of fp32, which Adam divides by their own size
}

const Method minilm{"minilm", 5e-5, R"(
schedule: {name: slanted_triangular}
thaw:
  layer_decay: {convention: ulmfit}
  phases:
    - {trainable: head, until: {epochs: 10}, schedule: restart}
    - {trainable: [head, top 1], until: {epochs: 10}, schedule: restart}
    - {trainable: all, until: {epochs: 10}, schedule: restart}
)",
                    "convention: ulmfit", "convention: ulmfit, decay: 2.5"};

std::string name_of(const ::testing::TestParamInfo<Method>& method) { return method.param.name; }

INSTANTIATE_TEST_SUITE_P(Methods, ParityOfMiniLm, ::testing::Values(minilm), name_of);
INSTANTIATE_TEST_SUITE_P(Methods, Parity, ::testing::ValuesIn(methods), name_of);

}  // namespace
}  // namespace thaw::test
