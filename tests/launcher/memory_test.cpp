// What a frozen model takes of a node that several ranks share, by whole runs of the program.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "framework/base/file.h"
#include "framework/models/registry.h"
#include "framework/tensor/safetensors.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

// The Pss of all processes whose command names `path`: each page divided by how many processes have it in memory.
double memory_of(const std::string& path) {
  double bytes = 0;
  std::error_code ended;
  for (const auto& process : fs::directory_iterator("/proc", ended)) {
    std::ifstream command(process.path() / "cmdline");
    std::string line;
    std::getline(command, line);
    if (line.find(path) == std::string::npos) continue;
    std::ifstream rollup(process.path() / "smaps_rollup");
    while (std::getline(rollup, line))
      if (line.starts_with("Pss:")) bytes += std::strtod(line.c_str() + 4, nullptr) * 1024;
  }
  return bytes;
}

// A model of so many blocks in place of the folder's own; the bytes of its weights.
double write_model(const Workshop& shop, int blocks) {
  const Json config{{"model_type", "bert"},      {"hidden_size", 512}, {"num_hidden_layers", blocks},  {"num_attention_heads", 8},
                    {"intermediate_size", 2048}, {"vocab_size", 25},   {"max_position_embeddings", 32}};
  shop.write("model/config.json", config.dump());
  const auto model = build_model(JsonView(config, "config.json"), {2});
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const Parameter& parameter : model->parameters)
    if (!parameter.name.starts_with("classifier"))
      tensors.emplace_back(parameter.name, parameter.role == Role::matrix ? at::rand(parameter.value.sizes()).sub_(0.5).mul_(0.05)
                                                                          : at::ones(parameter.value.sizes()));
  write_safetensors(shop.path("model/model.safetensors"), tensors);
  return static_cast<double>(fs::file_size(shop.path("model/model.safetensors")));
}

// The most that the ranks of a command had at once.
double peak_of(const Workshop& shop, const std::string& arguments, int ranks) {
  const std::string ended = shop.path("ended");
  fs::remove(ended);
  Background run(thaw_command(arguments, ranks) + "; echo $? > " + ended);
  double most = 0;
  EXPECT_TRUE(wait_until([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
    most = std::max(most, memory_of(shop.path()));
    return fs::exists(ended) && fs::file_size(ended) > 0;
  }));
  EXPECT_EQ(read_file(ended), "0\n") << arguments;
  return most;
}

// The best weights are kept for the second phase.
const std::string two_phases =
    " epochs=null thaw.phases=\"[{trainable: [head], until: {steps: 2}}, {trainable: [head], until: {steps: 1}, restore_best: true}]\"";

// A copy a rank would be twice the weights. Ten per cent is what mapped_test holds; here heaps differ from run to run.
TEST(Memory, RanksOfANodeShareAFrozenModel) {
  const Workshop shop;
  const auto check = [&](const char* what, double more, double small, double large) {
    fmt::print("{}: {:.1f} MB more of weights, {:.1f} MB more of the node\n", what, more / 1e6, (large - small) / 1e6);
    EXPECT_GT(large - small, 0.2 * more) << what << ": the weights were not seen";
    EXPECT_LE(large - small, 1.4 * more) << what;
  };
  const double less = write_model(shop, 2);
  const double small_fp32 = peak_of(shop, shop.train("small", two_phases), 2);
  const double small_bf16 = peak_of(shop, shop.train("small-bf16", two_phases + " precision=bf16"), 2);
  const std::string eval = " --data " + shop.path("dev.tsv");
  const double small_eval = peak_of(shop, "eval " + shop.path("small-bf16") + eval, 2);
  const double more = write_model(shop, 9) - less;
  check("fp32", more, small_fp32, peak_of(shop, shop.train("large", two_phases), 2));
  check("bf16", more, small_bf16, peak_of(shop, shop.train("large-bf16", two_phases + " precision=bf16"), 2));
  check("bf16 eval", more, small_eval, peak_of(shop, "eval " + shop.path("large-bf16") + eval, 2));
}

}  // namespace
}  // namespace thaw::test
